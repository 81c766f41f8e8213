package remote_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
)

// newName is a bucket name that nobody has.
func (s *service) newName() string { return fmt.Sprintf("t%016x", rand.Uint64()) }

// countingTransport counts requests.
type countingTransport struct {
	http.RoundTripper
	n atomic.Int64
}

// RoundTrip counts.
func (c *countingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	c.n.Add(1)
	return c.RoundTripper.RoundTrip(r)
}

// changing reads differently every time.
type changing struct{ n atomic.Uint64 }

// ReadAt fills p with another byte at each call.
func (c *changing) ReadAt(p []byte, _ int64) (int, error) {
	b := byte(c.n.Add(1))
	for i := range p {
		p[i] = b
	}
	return len(p), nil
}
