package test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// exercise is what an agent is told to do to a file for a while.
type exercise struct {
	Path  string
	Seed  uint64
	Start int // the file begins as random(Start)
	Limit int // its greatest size
	Keep  int // truncation leaves at least this much
	Calls int // in all
}

// exerciser does random calls on one file, which nothing else changes, and
// compares every byte it reads with what it should be.
type exerciser struct {
	exercise
	r      *rand.Rand
	shadow []byte // what the file holds
	fd     int
	append int // the same file, opened with O_APPEND
	done   int // calls
	last   []string
}

func newExerciser(e exercise) *exerciser {
	x := &exerciser{exercise: e, r: rand.New(rand.NewPCG(e.Seed, 0)), shadow: make([]byte, e.Start, e.Limit)}
	copy(x.shadow, random(e.Start))
	return x
}

// run opens the file, does some calls, and closes it. The error tells the last
// calls.
func (x *exerciser) run(ops int) error {
	err := x.open()
	if err == nil {
		err = x.check(0, len(x.shadow)*x.r.IntN(2))
	}
	for i := 0; i < ops && err == nil; i++ {
		err = x.step()
	}
	if err == nil {
		err = errors.Join(x.close(x.fd), x.close(x.append))
	}
	if err != nil {
		return fmt.Errorf("%w, after %d calls, the last of them\n%s", err, x.done, strings.Join(x.last, "\n"))
	}
	return nil
}

// did notes a call and returns its error, wrapped.
func (x *exerciser) did(err error, call string, args ...any) error {
	x.done++
	call = fmt.Sprintf(call, args...)
	if x.last = append(x.last, call); len(x.last) > 60 {
		x.last = slices.Delete(x.last, 0, 20)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", call, err)
	}
	return nil
}

func (x *exerciser) open() (err error) {
	if x.fd, err = unix.Open(x.Path, unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0o644); err == nil {
		x.append, err = unix.Open(x.Path, unix.O_WRONLY|unix.O_APPEND|unix.O_CLOEXEC, 0)
	}
	return x.did(err, "open")
}

func (x *exerciser) close(fd int) error { return x.did(unix.Close(fd), "close") }

func (x *exerciser) step() error {
	at, n := x.r.IntN(max(len(x.shadow), 1)), 1+x.r.IntN(1<<(x.r.IntN(17)))
	switch choice := x.r.IntN(100); {
	case choice < 27:
		return x.check(at, n)
	case choice < 31:
		return x.allocate(at+x.beyond(), n)
	case choice < 35:
		return x.seek(at)
	case choice < 60:
		return x.write(at+x.beyond(), n)
	case choice < 70:
		return x.load(at, n)
	case choice < 80:
		return x.store(at, n)
	case choice < 90:
		return x.appends(n)
	case choice < 99:
		return x.truncate()
	case x.r.IntN(4) > 0:
		var st unix.Stat_t
		if err := unix.Fstat(x.fd, &st); err != nil || st.Size != int64(len(x.shadow)) {
			return x.did(errors.Join(err, fmt.Errorf("%d bytes, want %d", st.Size, len(x.shadow))), "fstat")
		}
		return x.did(nil, "fstat")
	default:
		return x.did(unix.Fsync(x.fd), "fsync")
	}
}

// beyond is 0, or at times how far to go for a hole.
func (x *exerciser) beyond() int {
	if x.r.IntN(10) > 0 {
		return 0
	}
	return x.r.IntN(1 << 16)
}

// check reads and compares.
func (x *exerciser) check(at, n int) error {
	buf := make([]byte, n)
	read, err := unix.Pread(x.fd, buf, int64(at))
	if err == nil {
		err = differ(buf[:read], x.piece(at, n))
	}
	return x.did(err, "read of %d bytes at %d", n, at)
}

// piece is what the file holds at an offset, at most n bytes.
func (x *exerciser) piece(at, n int) []byte {
	return x.shadow[min(at, len(x.shadow)):min(at+n, len(x.shadow))]
}

// differ tells how bytes are not what they should be.
func differ(got, want []byte) error {
	if string(got) == string(want) {
		return nil
	}
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	return fmt.Errorf("%d bytes, want %d; from byte %d of them on %.20x, want %.20x", len(got), len(want), at, got[at:], want[at:])
}

// bytes are n new ones.
func (x *exerciser) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(x.done + i*7 + i>>8*13)
	}
	return b
}

// holds notes that the file has data at an offset.
func (x *exerciser) holds(at int, data []byte) {
	x.resize(max(len(x.shadow), at+len(data)))
	copy(x.shadow[at:], data)
}

func (x *exerciser) resize(size int) {
	old := len(x.shadow)
	x.shadow = x.shadow[:size]
	if size > old {
		clear(x.shadow[old:])
	}
}

func (x *exerciser) write(at, n int) error {
	data := x.bytes(max(0, min(n, x.Limit-at)))
	written, err := unix.Pwrite(x.fd, data, int64(at))
	if written >= 0 && len(data) > 0 {
		x.holds(at, data[:written])
	}
	return x.did(whole(written, len(data), err), "write of %d bytes at %d", len(data), at)
}

func (x *exerciser) appends(n int) error {
	at := len(x.shadow)
	data := x.bytes(min(n, x.Limit-at))
	written, err := unix.Write(x.append, data)
	if written >= 0 {
		x.holds(at, data[:written])
	}
	return x.did(whole(written, len(data), err), "append of %d bytes at %d", len(data), at)
}

func whole(written, n int, err error) error {
	if err == nil && written != n {
		return fmt.Errorf("wrote %d bytes", written)
	}
	return err
}

// truncate cuts, or extends.
func (x *exerciser) truncate() error {
	size := x.Keep + x.r.IntN(x.Limit-x.Keep)
	if x.r.IntN(3) > 0 {
		size = min(x.Limit, max(x.Keep, len(x.shadow)-1<<15+x.r.IntN(1<<16)))
	}
	err := unix.Ftruncate(x.fd, int64(size))
	x.resize(size)
	return x.did(err, "truncate to %d", size)
}

// mapped maps a piece of the file while f works on it; all is the whole
// mapping.
func (x *exerciser) mapped(at, n, protection int, f func(piece, all []byte) error) error {
	const page = 4096
	n = len(x.piece(at, n))
	if n == 0 {
		return nil
	}
	first := at / page * page
	all, err := unix.Mmap(x.fd, int64(first), at-first+n, protection, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	return errors.Join(f(all[at-first:], all), unix.Munmap(all))
}

func (x *exerciser) load(at, n int) error {
	err := x.mapped(at, n, unix.PROT_READ, func(piece, _ []byte) error { return differ(piece, x.piece(at, n)) })
	return x.did(err, "load of %d bytes at %d", n, at)
}

// store writes through a mapping, and now and then calls msync(2), which
// uploads the file.
func (x *exerciser) store(at, n int) error {
	sync := x.r.IntN(40) == 0
	err := x.mapped(at, n, unix.PROT_READ|unix.PROT_WRITE, func(piece, all []byte) error {
		data := x.bytes(len(piece))
		copy(piece, data)
		x.holds(at, data)
		if !sync {
			return nil
		}
		return unix.Msync(all, unix.MS_SYNC)
	})
	return x.did(err, "store of %d bytes at %d, msync %v", n, at, sync)
}

// exercise continues an exerciser with Size calls, and returns what the file
// holds then where Flags is not 0.
func (a *agent) exercise(r *request, out *response) {
	if a.exerciser == nil {
		a.exerciser = newExerciser(r.Exercise)
	}
	if err := a.exerciser.run(r.Size); err != nil {
		out.Text = err.Error()
	}
	if r.Flags != 0 {
		out.Data = a.exerciser.shadow
	}
}
