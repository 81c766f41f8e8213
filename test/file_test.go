package test

import (
	"io"
	"strings"

	"golang.org/x/sys/unix"
)

// file is an open file of a program.
type file struct {
	p  *program
	fd int
}

// open is open(2) with mode 0644.
func (p *program) open(name string, flags int) (*file, error) {
	r, err := p.call(request{Op: "open", Path: p.path(name), Flags: flags, Mode: 0o644})
	return &file{p, r.N}, err
}

func (f *file) on(op string) error {
	_, err := f.p.call(request{Op: op, FD: f.fd})
	return err
}

func (f *file) close() error { return f.on("close") }
func (f *file) fsync() error { return f.on("fsync") }

func (f *file) fstat() (unix.Stat_t, error) {
	r, err := f.p.call(request{Op: "fstat", FD: f.fd})
	return r.Stat, err
}

func (f *file) ftruncate(size int64) error {
	_, err := f.p.call(request{Op: "ftruncate", FD: f.fd, Offset: size})
	return err
}

// fallocate is fallocate(2).
func (f *file) fallocate(mode int, off int64, size int) error {
	_, err := f.p.call(request{Op: "fallocate", FD: f.fd, Flags: mode, Offset: off, Size: size})
	return err
}

// copyFrom is copy_file_range(2) of size bytes from the starts of both.
func (f *file) copyFrom(from *file, size int) error {
	n, err := f.copyRange(from, size)
	if err == nil && n != size {
		err = io.ErrShortWrite
	}
	return err
}

// copyRange is copyFrom that may copy less.
func (f *file) copyRange(from *file, size int) (int, error) {
	r, err := f.p.call(request{Op: "copy", FD: f.fd, From: from.fd, Size: size})
	return r.N, err
}

// seek is lseek(2).
func (f *file) seek(off int64, whence int) (int64, error) {
	r, err := f.p.call(request{Op: "seek", FD: f.fd, Offset: off, Flags: whence})
	return int64(r.N), err
}

func (f *file) write(data string) (int, error) {
	r, err := f.p.call(request{Op: "write", FD: f.fd, Data: []byte(data)})
	return r.N, err
}

func (f *file) pwrite(data string, off int64) (int, error) {
	r, err := f.p.call(request{Op: "pwrite", FD: f.fd, Data: []byte(data), Offset: off})
	return r.N, err
}

func (f *file) pread(size int, off int64) (string, error) {
	r, err := f.p.call(request{Op: "pread", FD: f.fd, Size: size, Offset: off})
	return string(r.Data), err
}

// readAll reads from the file's start to its end.
func (f *file) readAll() (string, error) {
	var all strings.Builder
	for {
		piece, err := f.pread(1<<20, int64(all.Len()))
		all.WriteString(piece)
		if err != nil || piece == "" {
			return all.String(), err
		}
	}
}

// dup is dup(2).
func (f *file) dup() (*file, error) {
	r, err := f.p.call(request{Op: "dup", FD: f.fd})
	return &file{f.p, r.N}, err
}

// mmap maps the file's first size bytes, shared; load, store, msync and munmap
// are of that mapping.
func (f *file) mmap(size, protection int) error {
	_, err := f.p.call(request{Op: "mmap", FD: f.fd, Size: size, Flags: protection})
	return err
}

func (f *file) load(size int, off int64) (string, error) {
	r, err := f.p.call(request{Op: "load", Size: size, Offset: off})
	return string(r.Data), err
}

func (f *file) store(data string, off int64) error {
	_, err := f.p.call(request{Op: "store", Data: []byte(data), Offset: off})
	return err
}

func (f *file) msync() error  { return f.on("msync") }
func (f *file) munmap() error { return f.on("munmap") }

// dirents is one getdents64(2) of a directory with a buffer of so many bytes: the
// next names, and after each the position of the one that follows.
func (f *file) dirents(size int) (names []string, ends []int64, err error) {
	r, err := f.p.call(request{Op: "dirents", FD: f.fd, Size: size})
	return r.Names, r.Ends, err
}
