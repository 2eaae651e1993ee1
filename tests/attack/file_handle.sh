#!/usr/bin/env bash
# open_by_handle_at finds an inode without a path, so without meeting the cover.
set -eu
. "$(dirname "$0")/attack.inc"
need unshare
unshare -Urm true 2>/dev/null || skip "user namespaces are not available"
# The handle is made outside and handed over: the worst case.
cat >handle.py <<'PY'
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
class Handle(ctypes.Structure):
    _fields_ = [("bytes", ctypes.c_uint), ("type", ctypes.c_int), ("data", ctypes.c_ubyte * 128)]
if sys.argv[1] == "make":
    handle, mount = Handle(bytes=128), ctypes.c_int()
    if libc.name_to_handle_at(-100, sys.argv[2].encode(), ctypes.byref(handle), ctypes.byref(mount), 0):
        sys.exit(77)
    open("handle.bin", "wb").write(bytes(handle))
else:
    handle = Handle.from_buffer_copy(open("handle.bin", "rb").read())
    for directory in ("/", "/tmp", os.path.dirname(sys.argv[2])):
        fd = os.open(directory, os.O_RDONLY)
        found = libc.open_by_handle_at(fd, ctypes.byref(handle), os.O_RDONLY | os.O_DIRECTORY)
        if found >= 0 and "key" in os.listdir(found):
            print("GOT by handle below", directory)
PY
"$AV_PYTHON" handle.py make "$STORE" || skip "the file system has no handles"
export AV_PYTHON
# At `off` only root may do this, so the control is root's or a namespace's own file system.
if [ "$(id -u)" != 0 ]; then
  skip "the control needs root"
fi
attack_case <<'SH'
$AV_PYTHON handle.py open "$STORE"
unshare -Urm $AV_PYTHON handle.py open "$STORE"
SH
