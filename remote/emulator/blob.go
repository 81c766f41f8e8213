package emulator

import (
	"io"
	"os"
	"sync/atomic"
)

// blob is an immutable run of stored bytes, shared by every object and part
// that holds a reference to it; the last one to let go removes it.
type blob struct {
	id   string // its file's name in a directory; empty in memory
	size int64
	data span
	refs atomic.Int64
}

// span is where the bytes of a blob are, or what makes them.
type span interface {
	writeTo(w io.Writer, off, n int64) error // the range is within the blob
	remove()
}

// sink takes the bytes of a blob that is being written.
type sink interface {
	io.Writer
	finish() (id string, data span, err error) // the blob has no references yet
	abandon()
}

// fileSpan keeps a blob in the file of this path, which is never written
// again.
type fileSpan string

// writeTo lets w use sendfile.
func (f fileSpan) writeTo(w io.Writer, off, n int64) error {
	file, err := os.Open(string(f))
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	if _, err := file.Seek(off, io.SeekStart); err != nil {
		return err
	}
	_, err = io.CopyN(w, file, n)
	return err
}

// remove leaves a file that cannot be removed to the next start.
func (f fileSpan) remove() { _ = os.Remove(string(f)) }

// content is the bytes of an object: its parts, one after another.
type content []*blob

func (c content) size() int64 {
	var n int64
	for _, b := range c {
		n += b.size
	}
	return n
}

func (c content) retain() {
	for _, b := range c {
		b.refs.Add(1)
	}
}

func (c content) release() {
	for _, b := range c {
		if b.refs.Add(-1) == 0 {
			b.data.remove()
		}
	}
}

// writeTo writes n bytes from off on.
func (c content) writeTo(w io.Writer, off, n int64) error {
	for _, b := range c {
		if n == 0 {
			break
		}
		if off >= b.size {
			off -= b.size
			continue
		}
		piece := min(n, b.size-off)
		if err := b.data.writeTo(w, off, piece); err != nil {
			return err
		}
		off, n = 0, n-piece
	}
	return nil
}
