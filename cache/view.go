package cache

import "sync"

// View is a range of cached bytes. It keeps the blocks that hold them until
// Release; its slices must be neither written to nor used after that.
type View struct {
	slices  [][]byte
	size    int
	release func()
}

// newView shows the bytes of read, which are in held, and owns the references
// on held.
func newView(b *Blocks, held []*block, read span) *View {
	v := &View{slices: make([][]byte, len(held)), size: int(read.high - read.low)}
	for i, k := range held {
		start := k.index * blockSize
		low, high := max(read.low-start, 0), min(read.high-start, int64(len(k.data)))
		v.slices[i] = k.data[low:high:high]
	}
	v.release = sync.OnceFunc(func() { b.release(held) })
	return v
}

// Slices returns the bytes in order.
func (v *View) Slices() [][]byte { return v.slices }

// Size returns the number of bytes.
func (v *View) Size() int { return v.size }

// CopyTo copies to dst what fits and returns the number of bytes.
func (v *View) CopyTo(dst []byte) int {
	n := 0
	for _, s := range v.slices {
		n += copy(dst[n:], s)
	}
	return n
}

// Release ends the View. More than one call is harmless.
func (v *View) Release() {
	if v.release != nil {
		v.release()
	}
}
