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
type memory struct{}

// create makes room for a blob of at most size bytes.
func (memory) create(size int64) (sink, error) {
	if size <= inHeap {
		return &heapSink{buf: make([]byte, 0, size)}, nil
	}
	b, err := unix.Mmap(-1, 0, int(size), unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("memory for %d bytes: %w", size, err)
	}
	if size >= hugeFrom {
		// A fault for every 4 KiB takes longer than MD5. Kernels without huge pages refuse.
		_ = unix.Madvise(b, unix.MADV_HUGEPAGE)
	}
	return &mappedSink{room: b}, nil
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
