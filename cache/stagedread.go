package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"ncloudfs/remote"
)

// ReadAt reads like io.ReaderAt: local bytes, those of the base version, and
// zeros. A base that is no longer in the bucket is remote.ErrChanged.
func (s *Staged) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	for {
		view := s.view()
		n, err := view.readAt(ctx, p, off)
		if isLost(err) && s.awaitNewBase(ctx, view.base) {
			continue // a commit has replaced the base meanwhile, with the same bytes here
		}
		return n, err
	}
}

// isLost reports that a read of the base found another version, or a Reader
// that was closed because there is a new base.
func isLost(err error) bool { return errors.Is(err, remote.ErrChanged) || errors.Is(err, fs.ErrClosed) }

// awaitNewBase waits for the commit that runs, and reports whether the base is
// another than old then.
func (s *Staged) awaitNewBase(ctx context.Context, old remote.Object) bool {
	s.mu.Lock()
	running := s.running
	isNew := versionOf(s.base) != versionOf(old)
	s.mu.Unlock()
	if isNew || running == nil {
		return isNew
	}
	select {
	case <-running.done:
		s.mu.Lock()
		defer s.mu.Unlock()
		return versionOf(s.base) != versionOf(old)
	case <-ctx.Done():
		return false
	}
}

// view is what the file's bytes are at one moment, save that local bytes may
// still change.
type view struct {
	s       *Staged
	file    *os.File
	size    int64
	local   extents
	base    remote.Object
	baseEnd int64
}

func (s *Staged) view() view {
	s.lock()
	defer s.mu.Unlock()
	return s.viewLocked()
}

func (s *Staged) viewLocked() view {
	return view{s, s.file, s.size, s.local.Clone(), s.base, s.baseEnd}
}

// isBase reports whether the file is just the whole base version.
func (v *view) isBase() bool {
	return len(v.local.list) == 0 && v.base.Path.Key != "" && v.size == v.base.Size && v.baseEnd == v.size
}

// usesBase reports whether bytes of the base version show through.
func (v *view) usesBase() bool { return !v.local.Covers(0, min(v.baseEnd, v.size)) }

// isBaseAt reports whether the range is the base's, byte for byte.
func (v *view) isBaseAt(off, size int64) bool {
	inside, until := v.local.at(off)
	return !inside && until >= off+size && off+size <= v.baseEnd
}

func (v *view) readAt(ctx context.Context, p []byte, off int64) (int, error) {
	n := 0
	for n < len(p) && off < v.size {
		inside, until := v.local.at(off)
		stop := min(until, v.size, off+int64(len(p)-n))
		var err error
		switch {
		case inside:
			err = readLocal(v.file, p[n:n+int(stop-off)], off)
		case off < v.baseEnd:
			stop = min(stop, v.baseEnd)
			err = v.readBase(ctx, p[n:n+int(stop-off)], off)
		default:
			clear(p[n : n+int(stop-off)])
		}
		if err != nil {
			return n, err
		}
		n += int(stop - off)
		off = stop
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// readLocal fills p; where the file was cut meanwhile it reads zeros.
func readLocal(file *os.File, p []byte, off int64) error {
	n, err := file.ReadAt(p, off)
	if err == io.EOF {
		clear(p[n:])
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrStage, err)
	}
	return nil
}

// baseReader returns the Reader that handles share, or nil when base is not
// the file's base any more.
func (s *Staged) baseReader(base remote.Object) *Reader {
	s.mu.Lock()
	defer s.mu.Unlock()
	if versionOf(s.base) != versionOf(base) {
		return nil
	}
	if s.reader == nil {
		s.reader = s.c.fetch.Reader(versionOf(base))
	}
	return s.reader
}

// A read of the base takes up to baseChunk at once. One of more bytes is for a
// part of an upload: it takes up to partChunk, a request each, through a Reader
// of its own, since several are read side by side.
const (
	baseChunk = 1 << 20
	partChunk = 8 << 20
)

func (v *view) readBase(ctx context.Context, p []byte, off int64) error {
	reader, most := v.s.baseReader(v.base), baseChunk
	if reader == nil || len(p) > baseChunk {
		reader, most = v.s.c.fetch.PassingReader(versionOf(v.base)), int(min(partChunk, v.s.c.blocks.reserve()/2))
		defer reader.Close()
	}
	for len(p) > 0 {
		chunk, err := reader.Read(ctx, off, min(len(p), most))
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removed elsewhere while it was edited: %w: %w", remote.ErrChanged, err)
		}
		if err != nil {
			return err
		}
		n := chunk.CopyTo(p)
		chunk.Release()
		if n == 0 {
			return io.ErrUnexpectedEOF
		}
		p, off = p[n:], off+int64(n)
	}
	return nil
}
