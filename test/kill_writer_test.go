package test

import (
	"fmt"
	"math/rand/v2"

	"golang.org/x/sys/unix"
)

// killWriter does random things with files of its own until the daemon is
// killed.
type killWriter struct {
	ledgerProgram
	id    int
	small bool // no file that takes parts
	r     *rand.Rand
	held  map[string]*ledgerHandle // files that stay open
}

func newKillWriter(id int, writeBack bool) *killWriter {
	w := &killWriter{id: id}
	w.writeBack = writeBack
	w.restart(map[string]fileState{fmt.Sprintf("w%d/", id): {}})
	return w
}

func (w *killWriter) run(r *rand.Rand) {
	w.r, w.held = r, map[string]*ledgerHandle{}
	for !w.finished {
		w.step()
	}
}

// steps does n things, and closes what is open.
func (w *killWriter) steps(r *rand.Rand, n int) {
	w.r, w.held = r, map[string]*ledgerHandle{}
	for range n {
		w.step()
	}
	for _, h := range w.held {
		h.close()
	}
}

// name is one of a file that is not open.
func (w *killWriter) name() string {
	for {
		name := fmt.Sprintf("w%d/%c", w.id, 'a'+w.r.IntN(4))
		if w.held[name] == nil {
			return name
		}
	}
}

func (w *killWriter) step() {
	name := w.name()
	switch {
	case w.at(name) == nil || w.r.IntN(3) == 0:
		w.change(name, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC)
	case w.r.IntN(5) == 0:
		w.unlink(name)
	case w.r.IntN(3) == 0:
		if to := w.name(); to != name {
			w.rename(name, to)
		}
	case w.r.IntN(4) == 0:
		if to := w.name(); to != name {
			w.copy(name, to, w.tagged(1000)[:w.r.IntN(2)*1000])
		}
	case w.r.IntN(3) == 0:
		w.change(name, unix.O_WRONLY|unix.O_APPEND)
	default:
		w.change(name, unix.O_WRONLY)
	}
}

// change opens a file, writes to it a few times, and mostly closes it.
func (w *killWriter) change(name string, flags int) {
	h := w.open(name, flags)
	if h == nil {
		return
	}
	for range 1 + w.r.IntN(3) {
		w.writeTo(h)
		if w.r.IntN(8) == 0 {
			h.fsync()
		}
	}
	if w.r.IntN(20) == 0 && len(w.held) < 2 {
		w.held[name] = h
		return
	}
	h.close()
}

// writeTo writes once: at the end, or anywhere, or zeros, or sets the size.
func (w *killWriter) writeTo(h *ledgerHandle) {
	size := len(h.f.shown.content)
	at := w.r.IntN(size + 1)
	if w.r.IntN(10) == 0 && size > 0 {
		h.truncate(at)
		return
	}
	if w.r.IntN(10) == 0 && at < size && !w.noHoles {
		h.punch(at, 1+w.r.IntN(size-at))
		return
	}
	h.pwrite(w.data(h.f), at)
}

// data is a large piece at times, which is uploaded in parts. The others take
// one request of the kernel each: of the large ones only a part may arrive,
// which must not be taken along.
func (w *killWriter) data(f *ledgerFile) string {
	if !w.small && f.shown.content == "" && f.before == nil && (!w.writeBack || len(f.versions) == 0) && w.r.IntN(12) == 0 {
		return w.tagged(16<<20 + w.r.IntN(2<<20))
	}
	return w.tagged(1 + w.r.IntN(60<<10))
}
