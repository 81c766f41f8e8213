package cache

import (
	"context"
	"slices"
	"strings"
	"sync"
)

// gates keeps the mutations of one key in order: a claim holds keys, or all
// keys under a prefix, until it is released, and a claim that meets them waits
// behind it. Waiting claims are served in the order in which they came.
type gates struct {
	mu     sync.Mutex
	claims []*claim // held and waiting, oldest first; guarded by mu
}

type claim struct {
	keys   []string // a key that ends in "/" stands for all keys below it, too
	ready  chan struct{}
	isHeld bool
}

// claim waits until no older claim meets keys and returns what releases them.
// A key that ends in "/" claims everything below it. It fails only with the
// error of ctx.
func (g *gates) claim(ctx context.Context, keys ...string) (release func(), err error) {
	c := &claim{keys: keys, ready: make(chan struct{})}
	g.mu.Lock()
	g.claims = append(g.claims, c)
	g.advanceLocked()
	g.mu.Unlock()
	release = sync.OnceFunc(func() { g.drop(c) })
	select {
	case <-c.ready:
		return release, nil
	case <-ctx.Done():
		release()
		return nil, context.Cause(ctx)
	}
}

func (g *gates) drop(c *claim) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.claims = slices.DeleteFunc(g.claims, func(o *claim) bool { return o == c })
	g.advanceLocked()
}

// advanceLocked grants every waiting claim that meets no older one.
func (g *gates) advanceLocked() {
	for i, c := range g.claims {
		if c.isHeld || slices.ContainsFunc(g.claims[:i], c.meets) {
			continue
		}
		c.isHeld = true
		close(c.ready)
	}
}

func (c *claim) meets(o *claim) bool {
	for _, a := range c.keys {
		for _, b := range o.keys {
			if a == b || strings.HasSuffix(a, "/") && strings.HasPrefix(b, a) || strings.HasSuffix(b, "/") && strings.HasPrefix(a, b) {
				return true
			}
		}
	}
	return false
}
