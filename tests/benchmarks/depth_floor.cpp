// The two steps of a depth frame that can be compiled: scan the text, and hand the levels to Hummingbot's own OrderBook
// through the compiled method behind its apply_diffs. To find the book and to check the sequence is left to Python.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <cstring>
#include <vector>

#include "OrderBookEntry.h"

namespace {

using Levels = std::vector<OrderBookEntry>;
using ApplyDiffs = PyObject *(*)(PyObject *, Levels, Levels, int64_t);

Levels bids, asks;  // what the last scan found
ApplyDiffs apply_diffs = nullptr;

// Hummingbot's compiled class has no methods of its own before this one, and its base class has six (Hummingbot
// 20260922). The table of the base class is the beginning of the table of the class, which is checked.
constexpr int METHODS_OF_BASE = 6;

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
void levels(const char *&at, Levels &into, int64_t update_id) {
    while (*at == '[' || *at == ',') {
        while (*at == '[' || *at == ',' || *at == '"') ++at;
        double price = number(at);
        at += 3;
        double size = number(at);
        at += 2;
        into.emplace_back(price, size, update_id);
    }
    ++at;
}

PyObject *refuse(const char *reason) {
    PyErr_SetString(PyExc_ValueError, reason);
    return nullptr;
}

// scan(text) -> (symbol, first update id, last update id)
PyObject *scan(PyObject *, PyObject *text) {
    Py_ssize_t size = 0;
    const char *at = PyUnicode_AsUTF8AndSize(text, &size);
    if (at == nullptr) return nullptr;
    bids.clear();
    asks.clear();
    if (!skip_to(at, "\"U\":")) return refuse("no first update id");
    int64_t first_id = integer(at);
    if (!skip_to(at, "\"a\":[")) return refuse("no asks");
    levels(at, asks, first_id);
    if (!skip_to(at, "\"b\":[")) return refuse("no bids");
    levels(at, bids, first_id);
    if (!skip_to(at, "\"s\":\"")) return refuse("no symbol");
    const char *end = std::strchr(at, '"');
    if (end == nullptr) return refuse("no end of the symbol");
    PyObject *symbol = PyUnicode_FromStringAndSize(at, end - at);
    at = end;
    if (!skip_to(at, "\"u\":")) return refuse("no last update id");
    PyObject *found = PyTuple_New(3);
    PyTuple_SET_ITEM(found, 0, symbol);
    PyTuple_SET_ITEM(found, 1, PyLong_FromLongLong(first_id));
    PyTuple_SET_ITEM(found, 2, PyLong_FromLongLong(integer(at)));
    return found;
}

// apply(book, last update id): change a book by what the last scan found
PyObject *apply(PyObject *, PyObject *const *arguments, Py_ssize_t count) {
    if (apply_diffs == nullptr || count != 2) return refuse("use() comes first, then apply(book, id)");
    return apply_diffs(arguments[0], bids, asks, PyLong_AsLongLong(arguments[1]));
}

void **table_of(PyObject *type) {
    PyObject *capsule = PyObject_GetAttrString(type, "__pyx_vtable__");
    if (capsule == nullptr) return nullptr;
    void *table = PyCapsule_GetPointer(capsule, PyCapsule_GetName(capsule));
    Py_DECREF(capsule);
    return static_cast<void **>(table);
}

// use(OrderBook, PubSub): find the compiled method of Hummingbot's classes
PyObject *use(PyObject *, PyObject *arguments) {
    PyObject *book_type, *base_type;
    if (!PyArg_ParseTuple(arguments, "OO", &book_type, &base_type)) return nullptr;
    void **own = table_of(book_type), **base = table_of(base_type);
    if (own == nullptr || base == nullptr) return nullptr;
    for (int place = 0; place < METHODS_OF_BASE; ++place)
        if (own[place] != base[place]) return refuse("Hummingbot's OrderBook is built in another way");
    apply_diffs = reinterpret_cast<ApplyDiffs>(own[METHODS_OF_BASE]);
    Py_RETURN_NONE;
}

PyMethodDef methods[] = {
    {"scan", scan, METH_O, "Read one depth frame and return its symbol and update ids."},
    {"apply", reinterpret_cast<PyCFunction>(reinterpret_cast<void *>(apply)), METH_FASTCALL, "Change a book."},
    {"use", use, METH_VARARGS, "Find the compiled method of Hummingbot's order book."},
    {nullptr, nullptr, 0, nullptr},
};

PyModuleDef module = {PyModuleDef_HEAD_INIT, "depth_floor", nullptr, -1, methods, nullptr, nullptr, nullptr, nullptr};

}  // namespace

PyMODINIT_FUNC PyInit_depth_floor(void) { return PyModule_Create(&module); }
