package emulator

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"hash"
	"io"
	"sync"
)

// summer computes the sums of a body, of a large one beside the reading of
// it: MD5 runs at 0.8 GB/s, and would be in the way of the network.
type summer struct {
	md5, sha hash.Hash // sha is nil when it is not needed
	digest   []byte    // the MD5, after finish
	lanes    *lanes    // that md5 is of; nil: of none
	buffers  *sync.Pool
	zeros    int64     // bytes from the start on that are zeros, and not in md5 yet; -1: there were others
	known    *zeroSums // of a body that has no others

	full chan summed // nil: sums are made in add
	done chan struct{}
}

// summed is a buffer of the pool with n bytes to sum.
type summed struct {
	buf *[]byte
	n   int
}

// sumBeside is the size from which a goroutine pays.
const sumBeside = 1 << 20

// newSummer starts to sum a body of size bytes; finish ends it.
func newSummer(size int64, withSHA bool, store *store) *summer {
	s := &summer{buffers: &store.buffers, known: &store.zeroSums}
	if withSHA {
		s.sha = sha256.New()
	}
	if size < sumBeside {
		s.md5 = md5.New()
	} else {
		s.lanes = &store.lanes
		s.md5 = s.lanes.begin()
		s.full, s.done = make(chan summed, 4), make(chan struct{})
		go s.run()
	}
	return s
}

func (s *summer) run() {
	defer close(s.done)
	for b := range s.full {
		s.sum(b)
	}
}

// add sums a buffer and gives it back to the pool.
func (s *summer) add(b summed) {
	if s.full != nil {
		s.full <- b
	} else {
		s.sum(b)
	}
}

func (s *summer) sum(b summed) {
	s.sumMD5((*b.buf)[:b.n])
	if s.sha != nil {
		s.sha.Write((*b.buf)[:b.n])
	}
	s.buffers.Put(b.buf)
}

// finish waits until everything is summed.
func (s *summer) finish() {
	if s.full != nil {
		close(s.full)
		<-s.done
	}
	if s.zeros >= sumBeside {
		s.digest = bytes.Clone(s.known.of(s.zeros))
	} else {
		s.sumZeros()
		s.digest = s.md5.Sum(nil)
	}
	if s.lanes != nil {
		s.lanes.end(s.md5)
	}
}

// sumMD5 puts off what may be a body of zeros, whose MD5 need not be computed again:
// benchmarks send such, and the service is not what they measure.
func (s *summer) sumMD5(p []byte) {
	if s.zeros >= 0 && allZeros(p) {
		s.zeros += int64(len(p))
		return
	}
	s.sumZeros()
	s.md5.Write(p)
}

// sumZeros makes up for what was put off.
func (s *summer) sumZeros() {
	if s.zeros > 0 {
		_, _ = io.CopyN(s.md5, zeroReader{}, s.zeros) // neither fails
	}
	s.zeros = -1
}

// zeroSums are MD5s of zeros, by their number. The zero value is ready.
type zeroSums struct {
	mu    sync.Mutex // leaf
	known map[int64][]byte
}

func (z *zeroSums) of(n int64) []byte {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.known[n] == nil {
		sum := md5.New()
		_, _ = io.CopyN(sum, zeroReader{}, n) // neither fails
		if z.known == nil {
			z.known = map[int64][]byte{}
		}
		z.known[n] = sum.Sum(nil)
	}
	return z.known[n]
}

// zeroReader never ends.
type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
