package emulator

import (
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

const (
	// inHeap is the largest blob kept on the Go heap. Larger ones would make
	// the heap twice what is stored, because the collector waits until as
	// much again has been allocated.
	inHeap = 64 << 10

	arenaPage = 4096
)

// arena keeps blobs in memory: small ones on the heap, others in one
// anonymous memory file, where removed ones become holes. A file gives
// sendfile and costs one descriptor for any number of objects.
type arena struct {
	file *os.File
	name string // opens the file again, with an offset of its own

	mu  sync.Mutex // guards end
	end int64      // bytes of the file ever given out
}

func newArena() (*arena, error) {
	fd, err := unix.MemfdCreate("ncloudfs-emulator", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memory file: %w", err)
	}
	return &arena{file: os.NewFile(uintptr(fd), "memory"), name: fmt.Sprintf("/proc/self/fd/%d", fd)}, nil
}

// create makes room for a blob of at most size bytes.
func (a *arena) create(size int64) (sink, error) {
	if size <= inHeap {
		return &heapSink{buf: make([]byte, 0, size)}, nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	s := &arenaSink{arena: a, start: a.end, room: size}
	a.end += (size + arenaPage - 1) / arenaPage * arenaPage
	return s, nil
}

func (a *arena) free(start, size int64) {
	// The range was this blob's alone; a failure only keeps memory longer.
	_ = unix.Fallocate(int(a.file.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, start, size)
}

type heapSink struct{ buf []byte }

func (h *heapSink) Write(p []byte) (int, error) {
	h.buf = append(h.buf, p...)
	return len(p), nil
}

func (h *heapSink) finish() (string, span, error) { return "", heapSpan(h.buf), nil }
func (h *heapSink) abandon()                      {}

type arenaSink struct {
	arena       *arena
	start, room int64
	n           int64
}

func (s *arenaSink) Write(p []byte) (int, error) {
	n, err := s.arena.file.WriteAt(p, s.start+s.n)
	s.n += int64(n)
	return n, err
}

func (s *arenaSink) finish() (string, span, error) {
	return "", &fileSpan{name: s.arena.name, start: s.start, drop: s.abandon}, nil
}

func (s *arenaSink) abandon() { s.arena.free(s.start, s.room) }
