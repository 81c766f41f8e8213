package test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// ledgerProgram is a program that works until the daemon is killed, and keeps
// a ledger of what its calls returned. It never reads. After the kill its
// methods do nothing.
type ledgerProgram struct {
	ledger
	p        *program
	t        testing.TB
	isKilled func() bool // the daemon is, or is about to be
	mayFail  bool        // uploads, because of a fault
	noted    func()      // called after each entry in the ledger; nil: nothing is
	noHoles  bool        // the stage's file system cannot have any
	finished bool        // by the kill, or an error that should not be
	tags     int         // so far: no two writes are alike
}

// start begins to work on a mount, with the ledger that is there.
func (w *ledgerProgram) start(t testing.TB, m *mounted) {
	w.t, w.p, w.finished = t, m.start(t), false
	w.isKilled = func() bool { return await(time.Second, m.hasEnded) }
}

func (w *ledgerProgram) note() {
	if w.noted != nil {
		w.noted()
	}
}

// do makes a call between two entries in the ledger; after is for its success.
func (w *ledgerProgram) do(call string, before func(), do func() error, after func()) {
	if w.finished {
		return
	}
	before()
	w.note()
	if w.went(call, do()) {
		after()
		w.note()
	}
}

// went reports whether a call succeeded. An error while the daemon lives is
// one of the test.
func (w *ledgerProgram) went(call string, err error) bool {
	w.calls = append(w.calls, fmt.Sprintf("%s: %v", call, err))
	if err == nil {
		return true
	}
	w.finished = true
	if !w.isKilled() {
		w.t.Errorf("%s: %v", call, err)
	}
	return false
}

// tagged is size bytes, or a few more, that no other write has.
func (w *ledgerProgram) tagged(size int) string {
	w.tags++
	tag := fmt.Sprintf("<%d>", w.tags)
	return strings.Repeat(tag, size/len(tag)+1)
}

// ledgerHandle is an open file.
type ledgerHandle struct {
	w     *ledgerProgram
	f     *ledgerFile
	file  *file
	flags int
}

// open is open(2). It returns nil when there is nothing to go on with.
func (w *ledgerProgram) open(name string, flags int) *ledgerHandle {
	if w.finished {
		return nil
	}
	f := w.at(name)
	switch {
	case f == nil:
		f = w.create(name)
	case flags&unix.O_TRUNC != 0:
		w.touched(f, fileState{"", f.shown.mode})
	}
	w.note()
	o, err := w.p.open(name, flags)
	if !w.went("open "+name, err) {
		return nil
	}
	return &ledgerHandle{w, f, o, flags}
}

// pwrite writes data at an offset, or at the end with O_APPEND.
func (h *ledgerHandle) pwrite(data string, at int) {
	if h == nil || h.w.finished {
		return
	}
	content := h.f.shown.content
	if h.flags&unix.O_APPEND != 0 {
		at = len(content)
	}
	content = content[:at] + data + content[min(len(content), at+len(data)):]
	h.w.touched(h.f, fileState{content, h.f.shown.mode})
	h.w.note()
	n, err := h.file.pwrite(data, int64(at))
	if err == nil && n < len(data) {
		err = io.ErrShortWrite // the rest came too late
	}
	h.f.lastData, h.f.lastAt = data[:max(n, 0)], int64(at)
	h.w.went("write "+h.f.name, err)
}

func (h *ledgerHandle) truncate(size int) {
	if h == nil {
		return
	}
	cut := fileState{h.f.shown.content[:size], h.f.shown.mode}
	h.w.do("truncate "+h.f.name, func() { h.w.touched(h.f, cut) }, func() error { return h.file.ftruncate(int64(size)) }, func() {})
}

// punch makes bytes zeros.
func (h *ledgerHandle) punch(at, size int) {
	if h == nil {
		return
	}
	content := []byte(h.f.shown.content)
	clear(content[at : at+size])
	zeroed := fileState{string(content), h.f.shown.mode}
	punch := func() error {
		return h.file.fallocate(unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, int64(at), size)
	}
	h.w.do("punch "+h.f.name, func() { h.w.touched(h.f, zeroed) }, punch, func() {})
}

func (h *ledgerHandle) fsync() {
	if h != nil {
		h.save("fsync", h.file.fsync)
	}
}

func (h *ledgerHandle) close() {
	if h != nil {
		h.save("close", h.file.close)
	}
}

func (h *ledgerHandle) save(call string, do func() error) {
	w := h.w
	switch {
	case w.finished:
		return
	case !h.f.isUnclosed && h.f.before == nil || h.f.name == gone:
		w.went(call+" "+h.f.name, do()) // it has nothing to save
		return
	}
	w.saving(h.f)
	w.note()
	err := do()
	// The kernel answers EIO, too, where the daemon dies during the call.
	if w.mayFail && (errors.Is(err, unix.EACCES) || errors.Is(err, unix.EIO) && !w.isKilled()) {
		w.calls = append(w.calls, fmt.Sprintf("%s %s: %v", call, h.f.name, err))
		w.saveFailed(h.f)
		w.note()
		return
	}
	if w.went(call+" "+h.f.name, err) {
		w.saved(h.f)
		w.note()
	}
}

// write makes a file, or replaces what is in it.
func (w *ledgerProgram) write(name, data string) {
	h := w.open(name, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC)
	h.pwrite(data, 0)
	h.close()
}

// copy makes a file a copy of another one, as cp(1) does, and then writes edit
// at its start, if that is not empty. Where both are clean the bucket has the copy
// before that.
func (w *ledgerProgram) copy(from, to, edit string) {
	if w.finished {
		return
	}
	f, o := w.at(from), w.at(to)
	isAtOnce := f.isClean && (o == nil || o.isClean)
	read, err := w.p.open(from, unix.O_RDONLY)
	if !w.went("open "+from, err) {
		return
	}
	h := w.open(to, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC)
	h.copyFrom(read, f.shown.content)
	if isAtOnce && !w.finished {
		w.saved(h.f)
		w.note()
	}
	if edit != "" {
		h.pwrite(edit[:min(len(edit), len(f.shown.content))], 0)
	}
	h.close()
	if !w.finished {
		w.went("close "+from, read.close())
	}
}

// copyFrom makes an empty file a copy of another one, which holds content. The
// bucket may have it at once, or not before the close.
func (h *ledgerHandle) copyFrom(from *file, content string) {
	if h == nil || h.w.finished {
		return
	}
	h.w.touched(h.f, fileState{content, h.f.shown.mode})
	h.w.saving(h.f)
	h.f.mixed, h.f.isEmptied = slices.Concat(h.f.mixed, []fileState{h.f.shown}), false
	h.w.note()
	h.w.went("copy to "+h.f.name, h.file.copyFrom(from, len(content)))
}

func (w *ledgerProgram) unlink(name string) {
	f := w.at(name)
	w.do("unlink "+name, func() { w.removing(f) }, func() error { return w.p.unlink(name) }, func() { w.removed(f) })
}

// rename moves a file, perhaps over another. With write-back it may need
// another file in the bucket first, and fail like an upload.
func (w *ledgerProgram) rename(from, to string) {
	f, isDone := w.at(from), true
	do := func() error {
		err := w.p.rename(from, to)
		if (w.mayFail || w.powerLoss) && w.writeBack && errors.Is(err, unix.EACCES) {
			isDone, err = false, nil
		}
		return err
	}
	w.do("rename "+from+" to "+to, func() { w.moving(f, to) }, do, func() {
		if isDone {
			w.moved(f, to)
		}
	})
}

// renameDir moves a directory to a name that is free.
func (w *ledgerProgram) renameDir(from, to string) {
	var below []*ledgerFile
	for _, f := range w.files {
		if strings.HasPrefix(f.name, from+"/") {
			below = append(below, f)
		}
	}
	each := func(note func(f *ledgerFile, to string)) {
		for _, f := range below {
			note(f, to+strings.TrimPrefix(f.name, from))
		}
	}
	w.do("rename "+from+" to "+to, func() { each(w.moving) }, func() error { return w.p.rename(from, to) }, func() { each(w.moved) })
}

func (w *ledgerProgram) mkdir(name string) {
	w.make("mkdir", name+"/", fileState{}, func() error { return w.p.mkdir(name) })
}

func (w *ledgerProgram) symlink(target, name string) {
	w.make("symlink", name, fileState{content: target}, func() error { return w.p.symlink(target, name) })
}

func (w *ledgerProgram) make(call, name string, v fileState, do func() error) {
	var f *ledgerFile
	w.do(call+" "+name, func() {
		f = w.create(name)
		w.changing(f, v)
	}, do, func() { w.changed(f) })
}

func (w *ledgerProgram) rmdir(name string) {
	f := w.at(name + "/")
	w.do("rmdir "+name, func() { w.removing(f) }, func() error { return w.p.rmdir(name) }, func() { w.removed(f) })
}

func (w *ledgerProgram) chmod(name string, mode uint32) {
	if w.finished {
		return
	}
	f := w.at(name)
	v := fileState{f.shown.content, mode}
	do := func() error { return w.p.chmod(name, mode) }
	if f.isUnclosed {
		w.do("chmod "+name, func() { w.touched(f, v) }, do, func() {})
		return
	}
	w.do("chmod "+name, func() { w.changing(f, v) }, do, func() { w.changed(f) })
}
