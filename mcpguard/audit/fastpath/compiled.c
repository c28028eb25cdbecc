/* python.py, compiled. What it does is said there; tests hold the two against each other.
 *
 * A usual record is put together in a buffer on the stack and written from there, several in one that grows.
 * Hashes are those of Python's hashlib: it is asked, or, of the chain and of the tree, the OpenSSL that it is
 * linked with, without the objects between. What does not fit is left to `AuditLog.write`.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <dlfcn.h>
#include <math.h>
#include <unistd.h>

#ifndef SOURCE_DIGEST
#error "say -DSOURCE_DIGEST, as scripts/hatch_build.py does: what was built of another source is not used"
#endif

enum { DIGEST = 32, SEALED = 2 * DIGEST, PARTS = 4, ROOM = 4096, DOMAIN_ROOM = 64 };

/* What python.py says, read once. */
static PyObject *begun, *domain, *head_of_hash, *head_of_digest, *line_end, *leaf, *node, *perfect_in_python, *allowed;
static Py_ssize_t long_args;

/* EVP_DigestInit(3) and the next: the same from OpenSSL 1.1.1 on. Without a context hashlib is asked. */
static struct {
    void *context;
    int (*init)(void *context, const void *kind, void *engine);
    int (*update)(void *context, const void *data, size_t size);
    int (*final)(void *context, unsigned char *digest, unsigned int *size);
} openssl;

/* Names that are asked for. */
static PyObject *n_copy, *n_digest, *n_failure, *n_parts, *n_pending, *n_times, *n_update, *n_wrote;

/* The log's objects. */
enum { CLOCK, FORMS, FRESH, KEYED, PREVIOUS, SECOND_TEXT, SYNCER, TOLD, OBJECTS };

typedef struct {
    PyObject_HEAD
    long long seq, size, long_way, excess;
    double now, since, until, second;
    int fd;
    char grouped, tracked;
    PyObject *own[OBJECTS];
} FastPath;

typedef struct {
    char *text;
    size_t used, room;
} Lines;

/* --- lines, from their parts. Each returns -1 where there is no room. ---------------------------- */

static int add(Lines *lines, const char *text, size_t size) {
    if (size > lines->room - lines->used) return -1;
    memcpy(lines->text + lines->used, text, size);
    lines->used += size;
    return 0;
}

static int add_bytes(Lines *lines, PyObject *bytes) {
    return add(lines, PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
}

/* In decimal, with zeros before it up to `least` digits. -1 as for no room where it is below zero. */
static int add_number(Lines *lines, long long number, size_t least) {
    char digits[32];
    size_t many = 0;
    if (number < 0) return -1;
    for (; number > 0 || many < least; number /= 10) digits[sizeof digits - ++many] = (char)('0' + number % 10);
    return add(lines, digits + sizeof digits - many, many);
}

static int add_hex(Lines *lines, const char *digest) {
    static const char digits[] = "0123456789abcdef";
    char hex[SEALED];
    for (int at = 0; at < DIGEST; at++) {
        hex[2 * at] = digits[(unsigned char)digest[at] >> 4];
        hex[2 * at + 1] = digits[(unsigned char)digest[at] & 15];
    }
    return add(lines, hex, sizeof hex);
}

/* Room for one more line: 0, or -1 with an error. */
static int grow(Lines *lines) {
    if (lines->room - lines->used >= ROOM) return 0;
    size_t room = 2 * lines->room + ROOM;
    char *text = PyMem_Realloc(lines->text, room);
    if (text == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    lines->text = text;
    lines->room = room;
    return 0;
}

/* --- what is asked of Python --------------------------------------------------------------------- */

/* The digest of a copy of `hash` that went on with `data`: a new reference, or NULL with an error. */
static PyObject *digest_of(PyObject *hash, PyObject *data) {
    PyObject *copy = PyObject_CallMethodNoArgs(hash, n_copy);
    if (copy == NULL) return NULL;
    PyObject *digest = NULL, *updated = PyObject_CallMethodOneArg(copy, n_update, data);
    if (updated != NULL) {
        Py_DECREF(updated);
        digest = PyObject_CallMethodNoArgs(copy, n_digest);
    }
    Py_DECREF(copy);
    if (digest != NULL && (!PyBytes_Check(digest) || PyBytes_GET_SIZE(digest) != DIGEST)) {
        Py_DECREF(digest);
        PyErr_SetString(PyExc_TypeError, "a digest is 32 bytes");
        return NULL;
    }
    return digest;
}

/* Whether OpenSSL has put into `digest` that of `first` and `then`. */
static int digested(const char *first, size_t size, const char *then, size_t more, char *digest) {
    unsigned int put = 0;
    return openssl.context != NULL && openssl.init(openssl.context, NULL, NULL) == 1 &&
           openssl.update(openssl.context, first, size) == 1 && openssl.update(openssl.context, then, more) == 1 &&
           openssl.final(openssl.context, (unsigned char *)digest, &put) == 1 && put == DIGEST;
}

/* The hash of a line whose text is `text`, behind the one whose hash is `previous`: 0, or -1 with an error. */
static int link_to(const char *previous, const char *text, size_t size, char *digest) {
    char first[DOMAIN_ROOM + DIGEST];
    size_t named = (size_t)PyBytes_GET_SIZE(domain);
    memcpy(first, PyBytes_AS_STRING(domain), named);
    memcpy(first + named, previous, DIGEST);
    if (digested(first, named + DIGEST, text, size, digest)) return 0;
    PyObject *data = PyBytes_FromStringAndSize(NULL, DIGEST + (Py_ssize_t)size), *made = NULL;
    if (data != NULL) {
        memcpy(PyBytes_AS_STRING(data), previous, DIGEST);
        memcpy(PyBytes_AS_STRING(data) + DIGEST, text, size);
        made = digest_of(begun, data);
        Py_DECREF(data);
    }
    if (made == NULL) return -1;
    memcpy(digest, PyBytes_AS_STRING(made), DIGEST);
    Py_DECREF(made);
    return 0;
}

/* 1 if the attribute is true, 0 if it is not, -1 with an error. */
static int holds(PyObject *of, PyObject *name) {
    PyObject *value = PyObject_GetAttr(of, name);
    if (value == NULL) return -1;
    int truth = PyObject_IsTrue(value);
    Py_DECREF(value);
    return truth;
}

/* The four parts of a form: a new reference, or NULL with an error. */
static PyObject *parts_of(PyObject *form) {
    PyObject *parts = PyObject_GetAttr(form, n_parts);
    if (parts == NULL) return NULL;
    int good = PyTuple_Check(parts) && PyTuple_GET_SIZE(parts) == PARTS;
    for (int at = 0; good && at < PARTS; at++) good = PyBytes_Check(PyTuple_GET_ITEM(parts, at));
    if (good) return parts;
    Py_DECREF(parts);
    PyErr_SetString(PyExc_TypeError, "a form has four parts of bytes");
    return NULL;
}

/* One more of `form`, which is put to `listed` if it is the first. */
static int count(PyObject *form, PyObject *told, PyObject *listed) {
    int counted = holds(form, n_times);
    if (counted < 0) return -1;
    if (!counted) {
        PyObject *pair = PyTuple_Pack(2, told, form);
        int added = pair == NULL ? -1 : PyList_Append(listed, pair);
        Py_XDECREF(pair);
        if (added < 0) return -1;
    }
    PyObject *times = PyObject_GetAttr(form, n_times), *one = PyLong_FromLong(1), *more = NULL;
    if (times != NULL && one != NULL) more = PyNumber_Add(times, one);
    int set = more == NULL ? -1 : PyObject_SetAttr(form, n_times, more);
    Py_XDECREF(times);
    Py_XDECREF(one);
    Py_XDECREF(more);
    return set;
}

/* --- allow --------------------------------------------------------------------------------------- */

/* Own references to the log's objects: what is asked of Python may put others in their place. */
static int hold(FastPath *self, PyObject **own) {
    for (int at = 0; at < OBJECTS; at++) own[at] = Py_XNewRef(self->own[at]);
    for (int at = 0; at < OBJECTS; at++) {
        if (own[at] == NULL) {
            PyErr_SetString(PyExc_TypeError, "the log is not set up");
            return -1;
        }
    }
    if (PyDict_Check(own[FORMS]) && PyByteArray_Check(own[FRESH]) && PyBytes_Check(own[PREVIOUS]) &&
        PyBytes_GET_SIZE(own[PREVIOUS]) == DIGEST && PyBytes_Check(own[SECOND_TEXT]) && PyList_Check(own[TOLD])) {
        return 0;
    }
    PyErr_SetString(PyExc_TypeError, "the log is set up with other types");
    return -1;
}

static void release(PyObject **own) {
    for (int at = 0; at < OBJECTS; at++) Py_XDECREF(own[at]);
}

/* BODY: 1, or 0 where there is no room, or -1 with an error. */
static int put_body(Lines *lines, PyObject **own, PyObject *parts, long long seq, long long micros, PyObject *args) {
    int bad = add_bytes(lines, PyTuple_GET_ITEM(parts, 0)) || add_number(lines, seq, 1) ||
              add_bytes(lines, PyTuple_GET_ITEM(parts, 1)) || add_bytes(lines, own[SECOND_TEXT]) ||
              add_number(lines, micros, 6) || add_bytes(lines, PyTuple_GET_ITEM(parts, 2));
    if (!bad && PyBytes_GET_SIZE(args) > 0) {
        PyObject *digest = digest_of(own[KEYED], args);
        if (digest == NULL) return -1;
        bad = add_bytes(lines, head_of_digest) || add_hex(lines, PyBytes_AS_STRING(digest));
        Py_DECREF(digest);
    }
    return !(bad || add_bytes(lines, PyTuple_GET_ITEM(parts, 3)));
}

/* A whole line behind the one whose hash is in `digest`, which becomes its own: as put_body. */
static int put_line(Lines *lines, PyObject **own, PyObject *form, long long seq, double past, PyObject *args,
                    char *digest) {
    PyObject *parts = parts_of(form);
    if (parts == NULL) return -1;
    size_t from = lines->used;
    int put = put_body(lines, own, parts, seq, (long long)(past * 1e6), args);
    Py_DECREF(parts);
    if (put <= 0) return put;
    char made[DIGEST];
    if (link_to(digest, lines->text + from, lines->used - from, made) < 0) return -1;
    memcpy(digest, made, DIGEST);
    return !(add_bytes(lines, head_of_hash) || add_hex(lines, digest) || add_bytes(lines, line_end));
}

/* Whether it is a moment before which nothing has to be looked at, in the second whose text is known. */
static int is_usual(const FastPath *self, double past) {
    return self->since <= past && past < self->until && 0.0 <= past && past < 1.0;
}

/* The line is in the file: so says the log from now on. */
static int note(FastPath *self, PyObject **own, const char *digest, PyObject *told, PyObject *form) {
    long long written_seq = self->seq;
    if (count(form, told, own[TOLD]) < 0) return -1;
    if (self->tracked) {
        Py_ssize_t size = PyByteArray_GET_SIZE(own[FRESH]);
        if (PyByteArray_Resize(own[FRESH], size + SEALED) < 0) return -1;
        Lines sealed = {PyByteArray_AS_STRING(own[FRESH]) + size, 0, SEALED};
        add_hex(&sealed, digest);
    }
    if (!self->grouped) return 0;
    int pending = holds(own[SYNCER], n_pending);
    if (pending != 0) return pending < 0 ? -1 : 0;
    PyObject *seq = PyLong_FromLongLong(written_seq), *done = NULL;
    if (seq != NULL) done = PyObject_CallMethodOneArg(own[SYNCER], n_wrote, seq);
    Py_XDECREF(seq);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* 1: the record is written; 0: it is left to `write`; -1 with an error. */
static int write_usual(FastPath *self, PyObject **own, PyObject *told, PyObject *args, PyObject *form, double now) {
    char room[ROOM], digest[DIGEST];
    Lines line = {room, 0, sizeof room};
    double past = now - self->second;
    long long seq = self->seq;
    if (!is_usual(self, past) || self->long_way < 1 || seq >= self->long_way - 1) return 0;
    seq++;
    memcpy(digest, PyBytes_AS_STRING(own[PREVIOUS]), DIGEST);
    int put = put_line(&line, own, form, seq, past, args, digest);
    if (put <= 0) return put;
    PyObject *previous = PyBytes_FromStringAndSize(digest, DIGEST);
    if (previous == NULL) return -1;
    if (self->seq != seq - 1 || self->own[PREVIOUS] != own[PREVIOUS]) {
        Py_DECREF(previous); /* somebody wrote while Python was asked */
        return 0;
    }
    ssize_t whole = (ssize_t)line.used, took;
    int fd = self->fd;
    Py_BEGIN_ALLOW_THREADS
    took = write(fd, room, line.used);
    Py_END_ALLOW_THREADS
    if (took != whole) {
        Py_DECREF(previous);
        self->excess = took < 0 ? 0 : took;
        self->since = INFINITY;
        self->until = -INFINITY;
        return 0;
    }
    self->size += whole;
    self->seq = seq;
    self->now = now;
    Py_XSETREF(self->own[PREVIOUS], previous);
    return note(self, own, digest, told, form) < 0 ? -1 : 1;
}

/* The same, once it is known what is held; `form` is looked up. */
static int look_up(FastPath *self, PyObject **own, PyObject *told, PyObject *args, double now) {
    if (PyBytes_GET_SIZE(args) > long_args) return 0;
    PyObject *form = Py_XNewRef(PyDict_GetItemWithError(own[FORMS], told));
    if (form == NULL) return PyErr_Occurred() ? -1 : 0;
    int failed = holds(own[SYNCER], n_failure);
    int done = failed == 0 ? write_usual(self, own, told, args, form, now) : failed < 0 ? -1 : 0;
    Py_DECREF(form);
    return done;
}

/* What the log's clock says: -1 with an error. */
static int ask_clock(FastPath *self, double *now) {
    PyObject *clock = Py_XNewRef(self->own[CLOCK]);
    if (clock == NULL) {
        PyErr_SetString(PyExc_TypeError, "the log is not set up");
        return -1;
    }
    PyObject *moment = PyObject_CallNoArgs(clock);
    Py_DECREF(clock);
    if (moment == NULL) return -1;
    *now = PyFloat_AsDouble(moment);
    Py_DECREF(moment);
    return *now == -1.0 && PyErr_Occurred() ? -1 : 0;
}

PyDoc_STRVAR(allow_doc, "allow($self, told, args, /)\n--\n\nSee FastPath.allow of python.py.");

static PyObject *allow(FastPath *self, PyObject *const *given, Py_ssize_t many) {
    if (many != 2 || !PyBytes_Check(given[1])) {
        PyErr_SetString(PyExc_TypeError, "allow() takes what is told, and bytes");
        return NULL;
    }
    double now;
    if (ask_clock(self, &now) < 0) return NULL;
    PyObject *own[OBJECTS];
    int done = hold(self, own);
    if (done == 0) done = look_up(self, own, given[0], given[1], now);
    release(own);
    return done < 0 ? NULL : PyBool_FromLong(done);
}

/* --- several ------------------------------------------------------------------------------------- */

/* The line of one record more: 1, or 0 if it is none of the usual, or -1 with an error. */
static int put_record(Lines *lines, PyObject **own, PyObject *record, long long seq, double past, char *digest) {
    if (!PyTuple_CheckExact(record) || PyTuple_GET_SIZE(record) != 2) return 0;
    PyObject *told = PyTuple_GET_ITEM(record, 0), *args = PyTuple_GET_ITEM(record, 1);
    if ((PyObject *)Py_TYPE(told) != allowed || !PyBytes_CheckExact(args) || PyBytes_GET_SIZE(args) > long_args) return 0;
    PyObject *form = Py_XNewRef(PyDict_GetItemWithError(own[FORMS], told));
    if (form == NULL) return PyErr_Occurred() ? -1 : 0;
    int put = grow(lines) < 0 ? -1 : put_line(lines, own, form, seq, past, args, digest);
    Py_DECREF(form);
    return put;
}

/* Them all, and their hashes in hex: as put_record. */
static int put_records(Lines *lines, Lines *sealed, PyObject **own, PyObject *records, long long seq, double past,
                       char *digest) {
    for (Py_ssize_t at = 0; at < PyTuple_GET_SIZE(records); at++) {
        int put = put_record(lines, own, PyTuple_GET_ITEM(records, at), seq + at, past, digest);
        if (put <= 0) return put;
        add_hex(sealed, digest);
    }
    return 1;
}

/* What `usual` gives for a tuple: NULL with an error. */
static PyObject *usual_of(FastPath *self, PyObject **own, PyObject *records, double past) {
    char digest[DIGEST];
    memcpy(digest, PyBytes_AS_STRING(own[PREVIOUS]), DIGEST);
    PyObject *hashes = PyBytes_FromStringAndSize(NULL, SEALED * PyTuple_GET_SIZE(records)), *made = NULL;
    if (hashes == NULL) return NULL;
    Lines lines = {NULL, 0, 0}, sealed = {PyBytes_AS_STRING(hashes), 0, (size_t)PyBytes_GET_SIZE(hashes)};
    int put = put_records(&lines, &sealed, own, records, self->seq + 1, past, digest);
    if (put == 0) made = Py_NewRef(Py_None);
    if (put > 0) {
        made = Py_BuildValue("(y#y#O)", lines.used ? lines.text : "", (Py_ssize_t)lines.used, digest,
                             (Py_ssize_t)DIGEST, hashes);
    }
    PyMem_Free(lines.text);
    Py_DECREF(hashes);
    return made;
}

PyDoc_STRVAR(usual_doc, "usual($self, records, now, /)\n--\n\nSee FastPath.usual of python.py.");

static PyObject *usual(FastPath *self, PyObject *const *given, Py_ssize_t many) {
    if (many != 2) {
        PyErr_SetString(PyExc_TypeError, "usual() takes records and a time");
        return NULL;
    }
    double now = PyFloat_AsDouble(given[1]);
    if (now == -1.0 && PyErr_Occurred()) return NULL;
    PyObject *own[OBJECTS], *made = NULL, *records = PySequence_Tuple(given[0]);
    if (records == NULL) return NULL;
    if (hold(self, own) == 0) {
        double past = now - self->second;
        made = is_usual(self, past) ? usual_of(self, own, records, past) : Py_NewRef(Py_None);
    }
    release(own);
    Py_DECREF(records);
    return made;
}

/* --- the tree ------------------------------------------------------------------------------------ */

/* Whether the root over `many` leaves in `from` is in `level`, which has room for all of their hashes. */
static int fold(const char *from, size_t many, char *level) {
    size_t marked = (size_t)PyBytes_GET_SIZE(leaf);
    int good = 1;
    for (size_t at = 0; good && at < many; at++) {
        good = digested(PyBytes_AS_STRING(leaf), marked, from + DIGEST * at, DIGEST, level + DIGEST * at);
    }
    marked = (size_t)PyBytes_GET_SIZE(node);
    for (; good && many > 1; many /= 2) {
        for (size_t at = 0; good && at < many / 2; at++) {
            good = digested(PyBytes_AS_STRING(node), marked, level + 2 * DIGEST * at, 2 * DIGEST, level + DIGEST * at);
        }
    }
    return good;
}

PyDoc_STRVAR(perfect_doc, "perfect($module, leaves, /)\n--\n\nSee perfect of python.py.");

static PyObject *perfect(PyObject *Py_UNUSED(module), PyObject *leaves) {
    size_t many = PyBytes_Check(leaves) ? (size_t)PyBytes_GET_SIZE(leaves) / DIGEST : 0;
    if (many == 0 || (many & (many - 1)) || DIGEST * many != (size_t)PyBytes_GET_SIZE(leaves)) {
        return PyObject_CallOneArg(perfect_in_python, leaves); /* which says what is wrong */
    }
    char *level = PyMem_Malloc(DIGEST * many);
    if (level == NULL) return PyErr_NoMemory();
    PyObject *root = fold(PyBytes_AS_STRING(leaves), many, level) ? PyBytes_FromStringAndSize(level, DIGEST)
                                                                  : PyObject_CallOneArg(perfect_in_python, leaves);
    PyMem_Free(level);
    return root;
}

/* --- the type and the module --------------------------------------------------------------------- */

static int traverse(FastPath *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(self));
    for (int at = 0; at < OBJECTS; at++) Py_VISIT(self->own[at]);
    return 0;
}

static int clear(FastPath *self) {
    for (int at = 0; at < OBJECTS; at++) Py_CLEAR(self->own[at]);
    return 0;
}

static void dealloc(FastPath *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    clear(self);
    type->tp_free((PyObject *)self);
    Py_DECREF(type);
}

#define MEMBER(name, type, field) {name, type, offsetof(FastPath, field), 0, NULL}

static PyMemberDef members[] = {
    MEMBER("seq", T_LONGLONG, seq),
    MEMBER("now", T_DOUBLE, now),
    MEMBER("syncer", T_OBJECT_EX, own[SYNCER]),
    MEMBER("_clock", T_OBJECT_EX, own[CLOCK]),
    MEMBER("_excess", T_LONGLONG, excess),
    MEMBER("_fd", T_INT, fd),
    MEMBER("_forms", T_OBJECT_EX, own[FORMS]),
    MEMBER("_fresh", T_OBJECT_EX, own[FRESH]),
    MEMBER("_grouped", T_BOOL, grouped),
    MEMBER("_keyed", T_OBJECT_EX, own[KEYED]),
    MEMBER("_long", T_LONGLONG, long_way),
    MEMBER("_previous", T_OBJECT_EX, own[PREVIOUS]),
    MEMBER("_second", T_DOUBLE, second),
    MEMBER("_second_text", T_OBJECT_EX, own[SECOND_TEXT]),
    MEMBER("_since", T_DOUBLE, since),
    MEMBER("_size", T_LONGLONG, size),
    MEMBER("_told", T_OBJECT_EX, own[TOLD]),
    MEMBER("_tracked", T_BOOL, tracked),
    MEMBER("_until", T_DOUBLE, until),
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef methods[] = {
    {"allow", (PyCFunction)(void (*)(void))allow, METH_FASTCALL, allow_doc},
    {"usual", (PyCFunction)(void (*)(void))usual, METH_FASTCALL, usual_doc},
    {NULL, NULL, 0, NULL},
};

static PyMethodDef functions[] = {
    {"perfect", perfect, METH_O, perfect_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "See python.py, where the same is said."},
    {Py_tp_dealloc, dealloc},
    {Py_tp_traverse, traverse},
    {Py_tp_clear, clear},
    {Py_tp_members, members},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "mcpguard.audit.fastpath.compiled.FastPath",
    .basicsize = sizeof(FastPath),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = slots,
};

static int intern(void) {
    struct {
        PyObject **into;
        const char *name;
    } names[] = {
        {&n_copy, "copy"},   {&n_digest, "digest"},   {&n_failure, "failure"}, {&n_parts, "parts"},
        {&n_times, "times"}, {&n_pending, "pending"}, {&n_update, "update"},   {&n_wrote, "wrote"},
    };
    for (size_t at = 0; at < Py_ARRAY_LENGTH(names); at++) {
        *names[at].into = PyUnicode_InternFromString(names[at].name);
        if (*names[at].into == NULL) return -1;
    }
    return 0;
}

/* A constant of python.py: a new reference, or NULL with an error. */
static PyObject *bytes_of(PyObject *python, const char *name) {
    PyObject *value = PyObject_GetAttrString(python, name);
    if (value != NULL && !PyBytes_Check(value)) {
        Py_CLEAR(value);
        PyErr_Format(PyExc_TypeError, "%s is not bytes", name);
    }
    return value;
}

/* Python's constants, if this was built of the source that they go with. */
static int take_constants(void) {
    PyObject *python = PyImport_ImportModule("mcpguard.audit.fastpath.python");
    if (python == NULL) return -1;
    PyObject *source = PyObject_GetAttrString(python, "COMPILED"), *most = NULL;
    if (source != NULL && !(PyUnicode_Check(source) && PyUnicode_CompareWithASCIIString(source, SOURCE_DIGEST) == 0)) {
        PyErr_SetString(PyExc_ImportError, "it was built of another source");
    }
    Py_XDECREF(source);
    if (!PyErr_Occurred()) begun = PyObject_GetAttrString(python, "BEGUN");
    if (!PyErr_Occurred()) domain = bytes_of(python, "DOMAIN");
    if (!PyErr_Occurred()) head_of_hash = bytes_of(python, "HASH_KEY");
    if (!PyErr_Occurred()) head_of_digest = bytes_of(python, "KEYED");
    if (!PyErr_Occurred()) line_end = bytes_of(python, "LINE_END");
    if (!PyErr_Occurred()) leaf = bytes_of(python, "LEAF");
    if (!PyErr_Occurred()) node = bytes_of(python, "NODE");
    if (!PyErr_Occurred()) allowed = PyObject_GetAttrString(python, "Allowed");
    if (!PyErr_Occurred()) perfect_in_python = PyObject_GetAttrString(python, "perfect");
    if (!PyErr_Occurred() && PyBytes_GET_SIZE(domain) > DOMAIN_ROOM) {
        PyErr_SetString(PyExc_ImportError, "the domain is too long");
    }
    if (!PyErr_Occurred()) most = PyObject_GetAttrString(python, "LONG_ARGS");
    if (!PyErr_Occurred()) long_args = PyLong_AsSsize_t(most);
    Py_XDECREF(most);
    Py_DECREF(python);
    return PyErr_Occurred() ? -1 : 0;
}

/* The library that hashlib's own module is linked with; NULL where there is none, or it is no shared one. */
static void *library_of_hashlib(void) {
    PyObject *hashlib = PyImport_ImportModule("_hashlib"), *file = NULL;
    if (hashlib != NULL) file = PyModule_GetFilenameObject(hashlib);
    const char *path = file == NULL ? NULL : PyUnicode_AsUTF8(file);
    void *library = path == NULL ? NULL : dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
    Py_XDECREF(hashlib);
    Py_XDECREF(file);
    PyErr_Clear();
    return library;
}

/* Take OpenSSL's SHA-256, if it says of a text what hashlib says. -1 with an error. */
static int take_openssl(void) {
    void *library = library_of_hashlib();
    if (library == NULL) return 0;
    void *(*new)(void) = (void *(*)(void))dlsym(library, "EVP_MD_CTX_new");
    const void *(*kind)(void) = (const void *(*)(void))dlsym(library, "EVP_sha256");
    *(void **)&openssl.init = dlsym(library, "EVP_DigestInit_ex");
    *(void **)&openssl.update = dlsym(library, "EVP_DigestUpdate");
    *(void **)&openssl.final = dlsym(library, "EVP_DigestFinal_ex");
    if (!new || !kind || !openssl.init || !openssl.update || !openssl.final) return 0;
    void *context = new();
    if (context == NULL || openssl.init(context, kind(), NULL) != 1) return 0;
    openssl.context = context;
    char digest[DIGEST];
    const char *first = PyBytes_AS_STRING(domain);
    PyObject *text = PyBytes_FromStringAndSize(SOURCE_DIGEST, sizeof SOURCE_DIGEST);
    PyObject *expected = text == NULL ? NULL : digest_of(begun, text);
    Py_XDECREF(text);
    if (expected == NULL) return -1;
    for (int times = 0; times < 2 && openssl.context != NULL; times++) { /* the context is used again and again */
        size_t named = (size_t)PyBytes_GET_SIZE(domain);
        int same = digested(first, named, SOURCE_DIGEST, sizeof SOURCE_DIGEST, digest) &&
                   memcmp(digest, PyBytes_AS_STRING(expected), DIGEST) == 0;
        if (!same) openssl.context = NULL;
    }
    Py_DECREF(expected);
    return 0;
}

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "compiled",
    .m_doc = "python.py, compiled.",
    .m_size = -1,
    .m_methods = functions,
};

PyMODINIT_FUNC PyInit_compiled(void) {
    if (intern() < 0 || take_constants() < 0 || take_openssl() < 0) return NULL;
    PyObject *made = PyModule_Create(&module), *type = made == NULL ? NULL : PyType_FromSpec(&spec);
    int added = type == NULL ? -1 : PyModule_AddObjectRef(made, "FastPath", type);
    if (added == 0) added = PyModule_AddStringConstant(made, "HASHES", openssl.context == NULL ? "hashlib" : "OpenSSL");
    Py_XDECREF(type);
    if (added < 0) Py_CLEAR(made);
    return made;
}
