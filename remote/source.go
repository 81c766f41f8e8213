package remote

import (
	"bytes"
	"errors"
	"io"
	"sync"
)

// errDetached ends the reading of a body whose attempt is over.
var errDetached = errors.New("the attempt is over")

// sourceError says that the body to be sent could not be read: our side's
// failure, which no retry cures.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return "reading what was to be sent: " + e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

// source is the body of one attempt. net/http may still read a request's body
// after the answer came; once detach returned nothing reads it any more, so
// that the caller may reuse its memory.
type source struct {
	body  io.ReaderAt
	size  int64
	watch *watch

	mu       sync.Mutex // leaf; guards the fields below, and is held over ReadAt
	detached bool
	started  bool
	err      error
}

// smallBody is up to which size, in bytes, a body leaves with its header, in one
// write: net/http sends the header by itself before a body that it does not know to
// be in memory.
const smallBody = 32 << 10

// reader reads the body from its start.
func (s *source) reader() (io.ReadCloser, error) {
	if s.size > smallBody {
		return &sourceReader{source: s}, nil
	}
	b := make([]byte, s.size)
	if _, err := s.readAt(b, 0); err != nil {
		return nil, &sourceError{err}
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}

// detach waits for a read that is going on and forbids others.
func (s *source) detach() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.detached = true
}

// sent reports whether any byte was handed out.
func (s *source) sent() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.started
}

// failure is why the body could not be read; nil when it could.
func (s *source) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *source) readAt(p []byte, off int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.detached {
		return 0, errDetached
	}
	s.started = true
	p = p[:min(int64(len(p)), s.size-off)]
	if len(p) == 0 {
		return 0, io.EOF
	}
	n, err := s.body.ReadAt(p, off)
	if n == len(p) {
		return n, nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF // the source is shorter than announced
	}
	s.err = err
	return n, err
}

// sourceReader is one pass over a source; it is used by one goroutine.
type sourceReader struct {
	source *source
	off    int64
}

// Read tells the watch that bytes move.
func (r *sourceReader) Read(p []byte) (int, error) {
	r.source.watch.sending()
	n, err := r.source.readAt(p, r.off)
	r.off += int64(n)
	return n, err
}

// Close does nothing: the caller's body stays open.
func (r *sourceReader) Close() error { return nil }

// copyAll writes the size bytes of body to w; a shorter body is io.ErrUnexpectedEOF.
func copyAll(w io.Writer, body io.ReaderAt, size int64) error {
	n, err := io.CopyBuffer(onlyWriter{w}, io.NewSectionReader(body, 0, size), make([]byte, min(size+1, 256<<10)))
	if err == nil && n < size {
		err = io.ErrUnexpectedEOF
	}
	return err
}

type onlyWriter struct{ io.Writer }
