package emulator

import (
	"context"
	"time"
)

// paceStep is how many bytes go out between two looks at the clock.
const paceStep = 64 << 10

// pace holds one direction of a connection to a number of bytes per second.
// A nil pace does not hold anything.
type pace struct {
	rate  float64 // bytes per second
	start time.Time
	total int64
}

func newPace(bandwidth int64) *pace {
	if bandwidth <= 0 {
		return nil
	}
	return &pace{rate: float64(bandwidth)}
}

// spent accounts n bytes and sleeps as long as they should have taken.
func (p *pace) spent(ctx context.Context, n int64) {
	if p == nil {
		return
	}
	if p.start.IsZero() {
		p.start = time.Now()
	}
	p.total += n
	due := p.start.Add(time.Duration(float64(p.total) / p.rate * float64(time.Second)))
	if wait := time.Until(due); wait > 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
		}
	}
}
