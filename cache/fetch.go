package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"time"

	"ncloudfs/remote"
)

const (
	// maxTries is how many requests in a row may bring not one block.
	maxTries = 5

	// stallTime is how long a body may deliver no byte before the rest is asked
	// for again. For the answer's header it is the first patience, doubled with
	// each try: a dead connection is left soon, a slow server gets its time.
	stallTime = 5 * time.Second

	firstPause = 100 * time.Millisecond // before the second try; doubled with each
)

var (
	errStalled = errors.New("no byte for too long")
	errBroken  = errors.New("body broke off")
)

// fetch fills adjacent blocks with one ranged GET, and with more when that
// breaks off. It owns one reference on each block that it has not filled.
type fetch struct {
	fetcher *Fetcher
	content *content
	blocks  []*block
	passing bool // they are not for the disk
	cancel  context.CancelCauseFunc
}

// run returns when every block is ready or has failed.
func (t *fetch) run(ctx context.Context) {
	wanted := t.fromTier(ctx, t.blocks)
	var rest []*block
	var err error
	if len(wanted) > 0 {
		t.fetcher.pace.begin()
		size := sizeOf(wanted) // before they are filled: others may free them then
		rest, err = t.fill(ctx, wanted)
		t.fetcher.pace.done(size - sizeOf(rest))
	}
	t.fetcher.blocks.failed(rest, err)
	t.fetcher.blocks.ended(t)
	t.cancel(nil)
}

// fill returns the blocks that it could not fill, and why.
func (t *fetch) fill(ctx context.Context, rest []*block) ([]*block, error) {
	for try := 1; ; try++ {
		v := t.fetcher.blocks.version(t.content)
		n, err := t.get(ctx, v, rest, try)
		rest = rest[n:]
		if n > 0 {
			try = 0
		}
		switch {
		case len(rest) == 0:
			return nil, nil
		case ctx.Err() != nil:
			return rest, context.Cause(ctx)
		case v != t.fetcher.blocks.version(t.content):
			continue // moved while it was asked for
		case !errors.Is(err, errStalled) && !errors.Is(err, errBroken), try >= maxTries:
			return rest, err
		}
		t.fetcher.log.Debug("fetch again", slog.String("path", v.Path.String()),
			slog.Int64("offset", rest[0].index*blockSize), slog.Int("try", try), slog.Any("error", err))
		if errors.Is(err, errStalled) {
			t.fetcher.pace.busy()
		}
		if try > 0 { // a request that brought blocks is continued at once
			pause(ctx, firstPause<<(try-1))
		}
	}
}

func sizeOf(blocks []*block) int64 {
	var n int64
	for _, k := range blocks {
		n += int64(len(k.data))
	}
	return n
}

// get sends one request for all of rest and returns how many blocks it filled.
// Errors worth another try are errStalled and errBroken.
func (t *fetch) get(ctx context.Context, v Version, rest []*block, try int) (int, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	patience := time.AfterFunc(stallTime<<(try-1), func() { cancel(errStalled) })
	defer patience.Stop()
	if try >= maxTries {
		patience.Stop() // the client's own timeouts decide
	}
	off := rest[0].index * blockSize
	last := rest[len(rest)-1]
	want := last.index*blockSize + int64(len(last.data)) - off
	body, err := t.fetcher.client.Get(ctx, v.Path, remote.GetOptions{Offset: off, Length: want, IfMatch: v.ETag})
	if err != nil {
		return 0, stalledOr(ctx, err)
	}
	defer body.Close()
	if o := body.Object; o.ETag != v.ETag || o.Size != v.Size {
		return 0, fmt.Errorf("get %s: %w: answer is of ETag %q with %d bytes, not %q with %d",
			v.Path, remote.ErrChanged, o.ETag, o.Size, v.ETag, v.Size)
	}
	if body.Length != want {
		return 0, fmt.Errorf("get %s: %w: %d bytes announced, not %d", v.Path, errBroken, body.Length, want)
	}
	patience.Reset(stallTime)
	for i, k := range rest {
		if err := readFull(body, k.data, patience); err != nil {
			return i, stalledOr(ctx, fmt.Errorf("get %s: %w: %w", v.Path, errBroken, err))
		}
		if !t.passing {
			t.fetcher.tier.offer(v, k)
		}
		t.fetcher.blocks.filled(k)
	}
	return len(rest), nil
}

// readFull fills data and restarts patience with every byte that comes.
func readFull(body io.Reader, data []byte, patience *time.Timer) error {
	for len(data) > 0 {
		n, err := body.Read(data)
		data = data[n:]
		if n > 0 {
			patience.Reset(stallTime)
		}
		if err != nil && len(data) > 0 {
			if errors.Is(err, io.EOF) {
				return io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}

// stalledOr returns err, or that the request stalled when that is what ended it.
func stalledOr(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); errors.Is(cause, errStalled) {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}

// pause waits about d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d/2 + rand.N(d))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
