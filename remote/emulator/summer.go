package emulator

import (
	"crypto/md5"
	"crypto/sha256"
	"hash"
	"sync"
)

// summer computes the sums of a body, of a large one beside the reading of
// it: MD5 runs at 0.8 GB/s, and would be in the way of the network.
type summer struct {
	md5, sha hash.Hash // sha is nil when it is not needed
	digest   []byte    // the MD5, after finish
	lanes    *lanes    // that md5 is of; nil: of none
	buffers  *sync.Pool

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
	s := &summer{buffers: &store.buffers}
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
	s.md5.Write((*b.buf)[:b.n])
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
	s.digest = s.md5.Sum(nil)
	if s.lanes != nil {
		s.lanes.end(s.md5)
	}
}
