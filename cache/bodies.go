package cache

import "sync"

// bodies keeps buffers of request bodies for the next use: making those of
// parts anew costs the collector more than sending them. The zero value is
// ready.
type bodies struct{ free sync.Pool }

// get returns a buffer of size bytes with any content.
func (b *bodies) get(size int64) []byte {
	if size < minPartSize {
		return make([]byte, size)
	}
	if buf, ok := b.free.Get().(*[]byte); ok && int64(cap(*buf)) >= size {
		return (*buf)[:size]
	}
	return make([]byte, size)
}

// put takes a buffer back.
func (b *bodies) put(buf []byte) {
	if cap(buf) >= minPartSize {
		b.free.Put(&buf)
	}
}
