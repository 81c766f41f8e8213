package emulator

import (
	"crypto/md5"
	"hash"
	"sync"

	md5simd "github.com/minio/md5-simd"
)

// lanesFrom is from how many bodies on it pays to hash them side by side.
const lanesFrom = 8

// lanes hands out MD5 hashes: while many bodies are read at once, such as share
// a core between them. The zero value is ready.
type lanes struct {
	mu     sync.Mutex // leaf
	active int
	server md5simd.Server // nil: not many
}

// begin returns a new hash; the caller must end it.
func (l *lanes) begin() hash.Hash {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.active++; l.active < lanesFrom {
		return md5.New()
	}
	if l.server == nil {
		l.server = md5simd.NewServer()
	}
	return l.server.NewHash()
}

// end takes a hash back.
func (l *lanes) end(h hash.Hash) {
	if h, ok := h.(md5simd.Hasher); ok {
		h.Close()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.active--; l.active == 0 && l.server != nil {
		l.server.Close()
		l.server = nil
	}
}
