package remote_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
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

// eachAtOnce calls f for every item, 16 at a time.
func eachAtOnce[T any](items []T, f func(T)) {
	var wg sync.WaitGroup
	next := make(chan T)
	for range 16 {
		wg.Go(func() {
			for item := range next {
				f(item)
			}
		})
	}
	for _, item := range items {
		next <- item
	}
	close(next)
	wg.Wait()
}
