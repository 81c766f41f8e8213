package test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// worker is a program that does random calls in a tree that it shares with
// others.
type worker struct {
	*stress
	id   int
	p    *program
	r    *rand.Rand
	open []*file
	own  int // files of its own so far
}

// run works until the end, then closes its files.
func (w *worker) run(end time.Time) {
	for time.Now().Before(end) && !w.hasFailed() {
		w.step()
	}
	for len(w.open) > 0 {
		w.closeFile()
	}
}

func (w *worker) step() {
	switch w.r.IntN(16) {
	case 0, 1, 2:
		w.openFile()
	case 3, 4, 5:
		if f := w.anyOpen(); f != nil {
			_, err := f.write(strings.Repeat("x", w.r.IntN(9000)+1))
			w.allow("write", err, unix.EBADF)
		}
	case 6:
		if f := w.anyOpen(); f != nil {
			_, err := f.pread(20000, 0)
			w.allow("read", err, unix.EBADF, unix.ESTALE) // another file may have taken its place
		}
	case 7, 8:
		w.closeFile()
	case 9:
		w.allow("unlink", w.p.unlink(w.anyName()), unix.ENOENT, unix.ENOTDIR, unix.EISDIR)
	case 10:
		w.allow("rmdir", w.p.rmdir(w.anyName()), unix.ENOENT, unix.ENOTDIR, unix.ENOTEMPTY)
	case 11:
		w.allow("mkdir", w.p.mkdir(w.anyName()), unix.EEXIST, unix.ENOENT, unix.ENOTDIR)
	case 12:
		w.allow("rename", w.p.rename(w.anyName(), w.anyName()), unix.ENOENT, unix.ENOTDIR, unix.EISDIR, unix.ENOTEMPTY, unix.EINVAL)
	case 13:
		name := w.anyName()
		w.allow("truncate", w.p.truncate(name, w.r.Int64N(9000)), unix.ENOENT, unix.ENOTDIR, unix.EISDIR)
		w.allow("chmod", w.p.chmod(name, 0o755), unix.ENOENT, unix.ENOTDIR)
	case 14:
		_, err := w.p.readDir(w.anyName())
		w.allow("readdir", err, unix.ENOENT, unix.ENOTDIR)
	case 15:
		w.makeOwn()
	}
}

// anyName is one of few, so that workers meet.
func (w *worker) anyName() string {
	names := []string{"a", "b", "c", "d", "e"}
	name := names[w.r.IntN(len(names))]
	for depth := 1; depth < 4 && w.r.IntN(3) == 0; depth++ {
		name += "/" + names[w.r.IntN(len(names))]
	}
	return name
}

func (w *worker) anyOpen() *file {
	if len(w.open) == 0 {
		return nil
	}
	return w.open[w.r.IntN(len(w.open))]
}

func (w *worker) openFile() {
	const create = unix.O_RDWR | unix.O_CREAT
	flags := []int{unix.O_RDONLY, unix.O_RDWR, create, create | unix.O_APPEND, unix.O_WRONLY | unix.O_CREAT | unix.O_TRUNC}
	f, err := w.p.open(w.anyName(), flags[w.r.IntN(len(flags))])
	// ESTALE: of a file that vanished and came back, since its removal failed, the
	// kernel asks only once more.
	if !w.allow("open", err, append([]unix.Errno{unix.ENOENT, unix.ENOTDIR, unix.EISDIR}, w.mayConflict...)...) {
		return
	}
	if st, err := f.fstat(); err != nil || st.Mode&unix.S_IFMT == unix.S_IFDIR {
		w.allow("fstat of a directory", err, unix.ENOENT) // a rename has taken its place
		w.allow("close", f.close())
		return
	}
	w.open = append(w.open, f)
}

func (w *worker) closeFile() {
	if f := w.anyOpen(); f != nil {
		w.open = slices.DeleteFunc(w.open, func(o *file) bool { return o == f })
		w.allow("close", f.close(), w.mayConflict...)
	}
}

// makeOwn makes a file that nobody removes or writes to, though the directory
// it is in may be renamed: what its close acknowledges must be there at the end.
func (w *worker) makeOwn() {
	w.own++
	base := fmt.Sprintf("own-%d-%d", w.id, w.own)
	dir := w.anyName()
	name := dir + "/" + base
	if w.r.IntN(2) == 0 {
		name = dir + "/temporary-" + base
	}
	size := w.r.IntN(20000)
	if w.r.IntN(40) == 0 {
		size += 9 << 20 // a multipart upload
	}
	f, err := w.p.open(name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL)
	if !w.allow("create", err, unix.ENOENT, unix.ENOTDIR) {
		return
	}
	content := strings.Repeat(base+" ", size/(len(base)+1)+1)
	if _, err := f.pwrite(content, 0); !w.allow("write of a new file", err) {
		_ = f.close() // after a fault
		return
	}
	if !w.allow("close of a new file", f.close()) {
		return
	}
	w.acknowledge(base, content)
	if final := dir + "/" + base; name != final {
		w.allow("rename of a new file", w.p.rename(name, final), unix.ENOENT, unix.ENOTDIR)
		name = final
	}
	if mode := 0o600 + uint32(w.r.IntN(64)); w.allow("chmod of a new file", w.p.chmod(name, mode), unix.ENOENT, unix.ENOTDIR) {
		w.acknowledgeMode(base, mode)
	}
}

// allow notes the outcome of a call, fails the test unless it is among these,
// and reports success.
func (s *stress) allow(call string, err error, errnos ...unix.Errno) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outcomes[fmt.Sprintf("%s: %v", call, err)]++
	among := func(e unix.Errno) bool { return errors.Is(err, e) }
	if err != nil && !slices.ContainsFunc(errnos, among) && !slices.ContainsFunc(s.mayGive, among) && !s.failed {
		s.failed = true
		s.t.Errorf("%s: %v", call, err)
	}
	return err == nil
}

func (s *stress) hasFailed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

func (s *stress) acknowledge(base, content string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.own[base] = ownFile{content: content}
}

func (s *stress) acknowledgeMode(base string, mode uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.own[base] = ownFile{s.own[base].content, mode}
}
