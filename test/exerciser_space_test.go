package test

import (
	"bytes"
	"fmt"

	"golang.org/x/sys/unix"
)

// allocate is fallocate(2) in one of its modes.
func (x *exerciser) allocate(at, n int) error {
	n = min(n, x.Limit-at)
	if n <= 0 {
		return nil
	}
	modes := []uint32{0, unix.FALLOC_FL_KEEP_SIZE, unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE,
		unix.FALLOC_FL_ZERO_RANGE, unix.FALLOC_FL_ZERO_RANGE | unix.FALLOC_FL_KEEP_SIZE}
	mode := modes[x.r.IntN(len(modes))]
	err := unix.Fallocate(x.fd, mode, int64(at), int64(n))
	if err == nil {
		if mode&unix.FALLOC_FL_KEEP_SIZE == 0 {
			x.resize(max(len(x.shadow), at+n))
		}
		if mode&(unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_ZERO_RANGE) != 0 {
			clear(x.piece(at, n))
		}
	}
	return x.did(err, "fallocate in mode %d of %d bytes at %d", mode, n, at)
}

// seek looks for data and for a hole: there are zeros up to the one, and at the
// other.
func (x *exerciser) seek(at int) error {
	size := len(x.shadow)
	if at >= size {
		return nil
	}
	data, err := unix.Seek(x.fd, int64(at), unix.SEEK_DATA)
	if err == unix.ENXIO {
		data, err = int64(size), nil
	}
	if err == nil && len(bytes.Trim(x.shadow[at:data], "\x00")) > 0 {
		err = fmt.Errorf("a hole up to %d, where data is", data)
	}
	if err != nil {
		return x.did(err, "SEEK_DATA at %d", at)
	}
	hole, err := unix.Seek(x.fd, int64(at), unix.SEEK_HOLE)
	if err == nil && (hole > int64(size) || hole < int64(size) && x.shadow[hole] != 0) {
		err = fmt.Errorf("a hole at %d, where data is", hole)
	}
	return x.did(err, "SEEK_HOLE at %d", at)
}
