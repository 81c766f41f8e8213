package cache

import "sync/atomic"

// progress counts the bytes of an upload that the service has. The zero value
// is ready. Safe for concurrent use.
type progress struct {
	sent atomic.Int64
}

func (p *progress) add(n int64) { p.sent.Add(n) }
func (p *progress) reset()      { p.sent.Store(0) }
