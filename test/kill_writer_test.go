package test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// killWriter is a program that works on files of its own until the daemon is
// killed. It never reads: what it knows is what its calls returned.
type killWriter struct {
	killModel
	id   int
	tags int // so far: no two writes are alike

	t        testing.TB
	p        *program
	r        *rand.Rand
	killed   *atomic.Bool    // set before the daemon is killed
	mayFail  bool            // uploads, because of a fault
	open     map[string]bool // files that stay open
	finished bool            // by the kill, or an error that should not be
	calls    []string        // of this round, and what they returned
}

func newKillWriter(id int) *killWriter {
	w := &killWriter{id: id, killModel: killModel{files: map[string]*killedFile{}}}
	for _, name := range []string{"a", "b", "c", "d"} {
		w.files[fmt.Sprintf("w%d/%s", id, name)] = newKilledFile(gone)
	}
	return w
}

func (w *killWriter) run() {
	w.open, w.finished, w.calls = map[string]bool{}, false, nil
	for !w.finished {
		w.step()
	}
}

// went reports whether a call succeeded. An error while the daemon lives is
// one of the test.
func (w *killWriter) went(call string, err error) bool {
	w.note(call, err)
	if err == nil {
		return true
	}
	w.finished = true
	if !w.killed.Load() {
		w.t.Errorf("%s: %v", call, err)
	}
	return false
}

func (w *killWriter) note(call string, err error) {
	w.calls = append(w.calls, fmt.Sprintf("%s: %v", call, err))
}

// name is one of a file that is not open.
func (w *killWriter) name() string {
	for {
		name := fmt.Sprintf("w%d/%c", w.id, 'a'+w.r.IntN(4))
		if !w.open[name] {
			return name
		}
	}
}

func (w *killWriter) step() {
	name := w.name()
	f := w.files[name]
	switch {
	case f.shown == gone || w.r.IntN(3) == 0:
		w.change(name, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC)
	case w.r.IntN(5) == 0:
		w.unlink(name)
	case w.r.IntN(3) == 0:
		w.rename(name, w.name())
	case w.r.IntN(3) == 0:
		w.change(name, unix.O_WRONLY|unix.O_APPEND)
	default:
		w.change(name, unix.O_WRONLY)
	}
}

func (w *killWriter) unlink(name string) {
	f := w.files[name]
	f.may = append(slices.Concat(f.may, f.before), gone)
	if w.went("unlink "+name, w.p.unlink(name)) {
		f.stored(gone)
	}
}

func (w *killWriter) rename(from, to string) {
	if from == to {
		return
	}
	w.moving = &killedMove{from, to}
	if w.went("rename "+from+" to "+to, w.p.rename(from, to)) {
		w.moved(from, to)
	}
}

// change opens a file, writes to it a few times, and mostly closes it.
func (w *killWriter) change(name string, flags int) {
	f := w.files[name]
	content := f.shown
	if flags&unix.O_TRUNC != 0 || content == gone {
		content = ""
		f.touched(content)
	}
	o, err := w.p.open(name, flags)
	if !w.went("open "+name, err) {
		return
	}
	for range 1 + w.r.IntN(3) {
		var ok bool
		if content, ok = w.write(name, o, content, flags); !ok {
			return
		}
		if w.r.IntN(8) == 0 && !w.save(name, content, "fsync", o.fsync) {
			return
		}
	}
	if w.r.IntN(20) == 0 && len(w.open) < 2 {
		w.open[name] = true
		return
	}
	w.save(name, content, "close", o.close)
}

// write writes once: at the end, or anywhere, or sets the size.
func (w *killWriter) write(name string, o *file, content string, flags int) (string, bool) {
	f := w.files[name]
	at := w.r.IntN(len(content) + 1)
	if w.r.IntN(10) == 0 && len(content) > 0 {
		content = content[:at]
		f.touched(content)
		return content, w.went("truncate "+name, o.ftruncate(int64(at)))
	}
	if flags&unix.O_APPEND != 0 || content == "" {
		at = len(content)
	}
	data := w.data(content == "" && f.before == nil)
	content = content[:at] + data + content[min(len(content), at+len(data)):]
	f.touched(content)
	n, err := o.pwrite(data, int64(at))
	if err == nil && n < len(data) {
		err = io.ErrShortWrite // the rest came too late
	}
	f.lastData, f.lastAt = data[:max(n, 0)], int64(at)
	return content, w.went("write "+name, err)
}

// data is what no other write writes; a large one at times, which is uploaded
// in parts. The others take one request of the kernel each.
func (w *killWriter) data(mayBeLarge bool) string {
	w.tags++
	tag := fmt.Sprintf("<%d.%d>", w.id, w.tags)
	size := 1 + w.r.IntN(60<<10)
	if mayBeLarge && w.r.IntN(12) == 0 {
		size = 16<<20 + w.r.IntN(2<<20)
	}
	return strings.Repeat(tag, size/len(tag)+1)
}

// save is a close or fsync.
func (w *killWriter) save(name, content, call string, do func() error) bool {
	f := w.files[name]
	f.may = append(slices.Clip(f.may), content)
	err := do()
	switch {
	case err == nil:
		f.stored(content)
		w.note(call+" "+name, err)
	case w.mayFail && !w.killed.Load() && (errors.Is(err, unix.EACCES) || errors.Is(err, unix.EIO)):
		f.failed(content)
		w.note(call+" "+name, err)
	default:
		return w.went(call+" "+name, err)
	}
	return true
}
