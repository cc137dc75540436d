// The least that a compiled program needs from a depth frame to a book: scan the text, check the sequence, find the
// book, change it. The books are Hummingbot's own: std::set of its OrderBookEntry, changed as its OrderBook does.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <cstring>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "OrderBookEntry.h"

namespace {

struct Book {
    std::set<OrderBookEntry> bids, asks;
    int64_t last_id = 0;
};

std::unordered_map<std::string, Book> books;

const double TENTHS[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12};

// Reads digits with at most one point, and moves on to what follows.
double number(const char *&at) {
    int64_t digits = 0;
    int decimals = -1;
    for (;; ++at) {
        if (*at >= '0' && *at <= '9') {
            digits = digits * 10 + (*at - '0');
            if (decimals >= 0) ++decimals;
        } else if (*at == '.') {
            decimals = 0;
        } else {
            break;
        }
    }
    return decimals > 0 ? digits / TENTHS[decimals] : static_cast<double>(digits);
}

int64_t integer(const char *&at) {
    int64_t digits = 0;
    for (; *at >= '0' && *at <= '9'; ++at) digits = digits * 10 + (*at - '0');
    return digits;
}

bool skip_to(const char *&at, const char *text) {
    const char *found = std::strstr(at, text);
    if (found == nullptr) return false;
    at = found + std::strlen(text);
    return true;
}

// Reads [["price","size"],...] from behind its opening bracket.
void levels(const char *&at, std::vector<OrderBookEntry> &into) {
    while (*at == '[' || *at == ',') {
        while (*at == '[' || *at == ',' || *at == '"') ++at;
        double price = number(at);
        at += 3;
        double size = number(at);
        at += 2;
        into.emplace_back(price, size, 0);
    }
    ++at;
}

void change(std::set<OrderBookEntry> &side, const std::vector<OrderBookEntry> &rows, int64_t update_id) {
    for (const OrderBookEntry &row : rows) {
        OrderBookEntry entry(row.getPrice(), row.getAmount(), update_id);
        side.erase(entry);
        if (row.getAmount() > 0) side.insert(entry);
    }
}

PyObject *refuse(const char *reason) {
    PyErr_SetString(PyExc_ValueError, reason);
    return nullptr;
}

PyObject *apply(PyObject *, PyObject *text) {
    static std::vector<OrderBookEntry> bids, asks;
    Py_ssize_t size = 0;
    const char *at = PyUnicode_AsUTF8AndSize(text, &size);
    if (at == nullptr) return nullptr;
    bids.clear();
    asks.clear();
    if (!skip_to(at, "\"U\":")) return refuse("no first update id");
    int64_t first_id = integer(at);
    if (!skip_to(at, "\"a\":[")) return refuse("no asks");
    levels(at, asks);
    if (!skip_to(at, "\"b\":[")) return refuse("no bids");
    levels(at, bids);
    if (!skip_to(at, "\"s\":\"")) return refuse("no symbol");
    const char *end = std::strchr(at, '"');
    auto found = books.find(std::string(at, end - at));
    if (found == books.end()) return refuse("no such book");
    at = end;
    if (!skip_to(at, "\"u\":")) return refuse("no last update id");
    int64_t last_id = integer(at);
    Book &book = found->second;
    if (first_id != book.last_id + 1) return refuse("a gap");
    change(book.bids, bids, last_id);
    change(book.asks, asks, last_id);
    truncateOverlapEntries(book.bids, book.asks, 0);
    book.last_id = last_id;
    return PyLong_FromLongLong(last_id);
}

// open(symbol, text of {"asks":[...],"bids":[...]} without spaces, update id)
PyObject *open_book(PyObject *, PyObject *arguments) {
    const char *symbol, *at;
    long long update_id;
    if (!PyArg_ParseTuple(arguments, "ssL", &symbol, &at, &update_id)) return nullptr;
    std::vector<OrderBookEntry> bids, asks;
    if (!skip_to(at, "\"asks\":[")) return refuse("no asks");
    levels(at, asks);
    if (!skip_to(at, "\"bids\":[")) return refuse("no bids");
    levels(at, bids);
    Book &book = books[symbol] = Book();
    change(book.bids, bids, update_id);
    change(book.asks, asks, update_id);
    book.last_id = update_id;
    Py_RETURN_NONE;
}

PyObject *rows(const std::set<OrderBookEntry> &side) {
    PyObject *list = PyList_New(0);
    for (const OrderBookEntry &entry : side) {
        PyObject *row = Py_BuildValue("(dd)", entry.getPrice(), entry.getAmount());
        PyList_Append(list, row);
        Py_DECREF(row);
    }
    return list;
}

// book(symbol) -> (bids, asks), each a list of (price, size) from the lowest price to the highest
PyObject *book_of(PyObject *, PyObject *symbol) {
    const char *name = PyUnicode_AsUTF8(symbol);
    if (name == nullptr) return nullptr;
    auto found = books.find(name);
    if (found == books.end()) return refuse("no such book");
    return Py_BuildValue("(NN)", rows(found->second.bids), rows(found->second.asks));
}

PyMethodDef methods[] = {
    {"apply", apply, METH_O, "Apply one depth frame and return its last update id."},
    {"open", open_book, METH_VARARGS, "Begin a book with a snapshot."},
    {"book", book_of, METH_O, "Return a book's levels."},
    {nullptr, nullptr, 0, nullptr},
};

PyModuleDef module = {PyModuleDef_HEAD_INIT, "depth_floor", nullptr, -1, methods, nullptr, nullptr, nullptr, nullptr};

}  // namespace

PyMODINIT_FUNC PyInit_depth_floor(void) { return PyModule_Create(&module); }
