package doctor

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/docker/go-units"

	"ncloudfs/remote"
)

const (
	// speedTime bounds each measurement.
	speedTime = 5 * time.Second
	streams   = 16
)

// probeSpeed reads the object of probeParts by one stream and by several.
func (e *examination) probeSpeed(ctx context.Context) (Finding, error) {
	if e.parts.Path.Key == "" {
		return Finding{Status: Unknown, Found: "there is no object to read", Effect: "a mount finds out by itself how many streams bring more"}, nil
	}
	began := time.Now()
	body, err := e.client.Get(ctx, e.parts.Path, remote.GetOptions{Length: 1})
	if err != nil {
		return Finding{}, err
	}
	first := time.Since(began)
	if err := body.Close(); err != nil {
		return Finding{}, err
	}
	one := e.rate(ctx, 1)
	many := e.rate(ctx, streams)
	if err := ctx.Err(); err != nil {
		return Finding{}, err
	}
	return Finding{Status: OK, Found: fmt.Sprintf("first byte after %s; one stream %s/s, %d streams %s/s", first.Round(100*time.Microsecond),
		units.HumanSize(one), streams, units.HumanSize(many)), Effect: "large reads and writes use as many streams as bring more"}, nil
}

// rate is the bytes per second that n streams get.
func (e *examination) rate(ctx context.Context, n int) float64 {
	ctx, cancel := context.WithTimeout(ctx, speedTime)
	defer cancel()
	var bytes atomic.Int64
	began := time.Now()
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			body, err := e.client.Get(ctx, e.parts.Path, remote.GetOptions{})
			if err != nil {
				return // it counts as slow
			}
			defer func() { _ = body.Close() }()
			got, _ := io.Copy(io.Discard, body) // as far as it came
			bytes.Add(got)
		})
	}
	all.Wait()
	return float64(bytes.Load()) / time.Since(began).Seconds()
}
