package emulator

import (
	"bytes"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// inHeap is the largest blob kept on the Go heap. Larger ones would make the
// heap twice what is stored, because the collector waits until as much again
// has been allocated.
const inHeap = 64 << 10

// hugeFrom is from which size on a blob gets huge pages: smaller ones would take
// much more memory than they have bytes.
const hugeFrom = 4 << 20

// memory keeps blobs in memory: small ones on the heap, others in mappings of
// their own, whose pages come with the first write and go with the blob.
//
// A shared memory file with a hole for each removed blob would allow sendfile,
// but punching one zeroes pages that sockets still have to send.
type memory struct {
	ready chan []byte // of readySize bytes, of pages that are there; nil: none
}

// readySize is what the parts of most clients fit into, in bytes.
const readySize = 8 << 20

// newMemory has memory for so many bytes of parts ready.
func newMemory(ready int64) (memory, error) {
	if ready == 0 {
		return memory{}, nil
	}
	m := memory{make(chan []byte, (ready+readySize-1)/readySize)}
	for range cap(m.ready) {
		b, err := mapMemory(readySize)
		if err != nil {
			return memory{}, err
		}
		clear(b) // has the pages come
		m.ready <- b
	}
	return m, nil
}

// create makes room for a blob of at most size bytes.
func (m memory) create(size int64) (sink, error) {
	if size <= inHeap {
		return &heapSink{buf: make([]byte, 0, size)}, nil
	}
	if size >= hugeFrom && size <= readySize {
		select {
		case b := <-m.ready:
			return &readySink{room: b, memory: m}, nil
		default:
		}
	}
	b, err := mapMemory(size)
	if err != nil {
		return nil, err
	}
	return &mappedSink{room: b}, nil
}

func mapMemory(size int64) ([]byte, error) {
	b, err := unix.Mmap(-1, 0, int(size), unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("memory for %d bytes: %w", size, err)
	}
	if size >= hugeFrom {
		// A fault for every 4 KiB takes longer than MD5. Kernels without huge pages refuse.
		_ = unix.Madvise(b, unix.MADV_HUGEPAGE)
	}
	return b, nil
}

// heapSpan keeps a small blob.
type heapSpan []byte

func (h heapSpan) writeTo(w io.Writer, off, n int64) error {
	_, err := w.Write(h[off : off+n])
	return err
}

func (heapSpan) remove() {}

type heapSink struct{ buf []byte }

func (h *heapSink) Write(p []byte) (int, error) {
	h.buf = append(h.buf, p...)
	return len(p), nil
}

func (h *heapSink) finish() (string, span, error) { return "", heapSpan(h.buf), nil }
func (h *heapSink) abandon()                      {}

// mappedSpan keeps a large blob. Nobody looks at it after remove, because
// remove comes with the last reference.
type mappedSpan []byte

func (m mappedSpan) writeTo(w io.Writer, off, n int64) error {
	_, err := w.Write(m[off : off+n])
	return err
}

func (m mappedSpan) remove() {
	_ = unix.Munmap(m) // it is a whole mapping, which cannot fail to be unmapped
}

type mappedSink struct {
	room []byte // zeros, from n on
	n    int
}

func (s *mappedSink) Write(p []byte) (int, error) {
	room := s.room[s.n:]
	n := min(len(p), len(room))
	s.n += n
	if !allZeros(p[:n]) { // they are there already, and take no page
		copy(room, p)
	}
	if n < len(p) {
		return n, io.ErrShortWrite
	}
	return n, nil
}

// allZeros reports whether p is nothing else, by comparing it with itself.
func allZeros(p []byte) bool { return len(p) == 0 || p[0] == 0 && bytes.Equal(p[1:], p[:len(p)-1]) }

func (s *mappedSink) finish() (string, span, error) { return "", mappedSpan(s.room), nil }
func (s *mappedSink) abandon()                      { mappedSpan(s.room).remove() }

// readySink writes to memory that was ready, and is so again once the blob is gone.
type readySink struct {
	room   []byte
	n      int
	memory memory
}

func (s *readySink) Write(p []byte) (int, error) {
	n := copy(s.room[s.n:], p)
	s.n += n
	if n < len(p) {
		return n, io.ErrShortWrite
	}
	return n, nil
}

func (s *readySink) finish() (string, span, error) { return "", readySpan{s.room, s.memory}, nil }
func (s *readySink) abandon()                      { s.memory.ready <- s.room }

// readySpan keeps a blob in it.
type readySpan struct {
	room   []byte
	memory memory
}

func (r readySpan) writeTo(w io.Writer, off, n int64) error {
	_, err := w.Write(r.room[off : off+n])
	return err
}

func (r readySpan) remove() { r.memory.ready <- r.room }
