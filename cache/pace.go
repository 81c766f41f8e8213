package cache

import (
	"context"
	"sync"
	"time"
)

// Bounds of how many transfers run at once in one direction. Memory may allow
// fewer.
const (
	paceLeast     = 2
	downloadsMost = 64
	uploadsMost   = 32

	pacePause = time.Second // between two halvings: requests that ran together fail together
	paceRest  = 8           // epochs without another try after one that did not help
	paceGain  = 1.05        // by which throughput must grow for more transfers to stay
)

// pace decides how many transfers of data run at once. It works in epochs of as
// many transfers as may run at once: more may run while that brings more bytes a
// second, and half as many when the service says that it is busy, or does not
// answer in time. Safe for concurrent use.
type pace struct {
	most int

	mu      sync.Mutex // leaf
	allowed int
	active  int
	waiting []chan struct{} // closed when it is their turn; in the order in which they came

	epoch  paceEpoch
	rate   float64   // bytes a second of the epoch before
	before int       // what was allowed before the last growth; 0: it did not grow in the epoch before
	rest   int       // epochs until the next try
	halved time.Time // the last time
}

// paceEpoch is what has ended since its beginning.
type paceEpoch struct {
	begun time.Time
	ended int
	bytes int64
	full  bool // at some time as many ran as may
}

func newPace(start, most int) *pace {
	return &pace{most: most, allowed: start}
}

// Allowed returns how many transfers may run at once.
func (p *pace) Allowed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.allowed
}

// begin notes a transfer that begins whatever is allowed; done ends it.
func (p *pace) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.beginLocked()
}

func (p *pace) beginLocked() {
	if p.active == 0 { // what was not used says nothing
		p.epoch = paceEpoch{begun: time.Now()}
	}
	p.active++
	p.epoch.full = p.epoch.full || p.active >= p.allowed
}

// acquire waits until one more transfer may run; done ends it.
func (p *pace) acquire(ctx context.Context) error {
	p.mu.Lock()
	if len(p.waiting) == 0 && p.active < p.allowed {
		p.beginLocked()
		p.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	p.waiting = append(p.waiting, turn)
	p.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, w := range p.waiting {
		if w == turn {
			p.waiting = append(p.waiting[:i], p.waiting[i+1:]...)
			return context.Cause(ctx)
		}
	}
	p.active-- // its turn came all the same
	p.wakeLocked()
	return context.Cause(ctx)
}

// done ends a transfer that moved so many bytes.
func (p *pace) done(bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.active--
	p.epoch.bytes += bytes
	if p.epoch.ended++; p.epoch.ended >= p.allowed {
		p.judgeLocked(time.Now())
	}
	p.wakeLocked()
}

// judgeLocked ends an epoch.
func (p *pace) judgeLocked(now time.Time) {
	e := p.epoch
	p.epoch = paceEpoch{begun: now, full: p.active >= p.allowed}
	took := now.Sub(e.begun).Seconds()
	if took <= 0 || !e.full {
		return
	}
	before, last := p.before, p.rate
	p.before, p.rate = 0, float64(e.bytes)/took
	switch {
	case before > 0 && p.rate < last*paceGain:
		p.allowed, p.rest = before, paceRest
	case p.rest > 0:
		p.rest--
	case p.allowed < p.most:
		p.before, p.allowed = p.allowed, min(p.allowed+max(p.allowed/4, 1), p.most)
	}
}

// busy is told that the service refused a request for now, or let it time out.
func (p *pace) busy() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if now.Sub(p.halved) < pacePause {
		return
	}
	p.halved = now
	p.allowed, p.before, p.rest = max(p.allowed/2, paceLeast), 0, paceRest
	p.epoch = paceEpoch{begun: now}
}

// wakeLocked begins what waits, as far as it may.
func (p *pace) wakeLocked() {
	for len(p.waiting) > 0 && p.active < p.allowed {
		close(p.waiting[0])
		p.waiting = p.waiting[1:]
		p.beginLocked()
	}
}
