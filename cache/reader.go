package cache

import (
	"context"
	"fmt"
	"io/fs"
	"sync"
)

// Reader reads one version on behalf of one open handle. Readers of one
// version share blocks and fetches. Safe for concurrent use.
type Reader struct {
	fetcher *Fetcher
	content *content
	version Version
	number  uint64 // not 0; unique within the Fetcher
	passing bool   // see PassingReader

	mu       sync.Mutex // guards what follows; never held while waiting; before Fetcher.mu
	window   window     // with its streams
	isClosed bool
}

// Read returns n bytes at off, cut at the end of the object; at or beyond the
// end, an empty View. It fetches what is absent, and waits for it until ctx
// ends; the fetch goes on without it. n is at most half of what Blocks
// keeps for reads, and may always be 1 MiB.
//
// Errors: remote.ErrChanged when the object is no longer this version,
// fs.ErrNotExist when it is gone, fs.ErrClosed after Close, fs.ErrInvalid for
// a negative or too large range, the cause of ctx, else what the object store
// said.
func (r *Reader) Read(ctx context.Context, off int64, n int) (*View, error) {
	if off < 0 || n < 0 || int64(n) > r.fetcher.blocks.reserve()/2 {
		return nil, fmt.Errorf("read %s: %d bytes at %d: %w", r.version.Path, n, off, fs.ErrInvalid)
	}
	if n == 0 || off >= r.version.Size {
		return &View{}, nil
	}
	step("read")
	read := span{off, off + min(int64(n), r.version.Size-off)}
	held, from, err := r.acquire(ctx, read)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", r.version.Path, err)
	}
	waited, err := r.wait(ctx, held)
	if waited && from != nil {
		r.mu.Lock()
		from.waited()
		r.mu.Unlock()
	}
	if err != nil {
		r.fetcher.blocks.release(held)
		return nil, err
	}
	return newView(r.fetcher.blocks, held, read), nil
}

// Close ends the Reader; Views stay valid. What is being fetched ahead for this
// version is given up unless another Reader has it open. More than one call is
// harmless.
func (r *Reader) Close() {
	r.mu.Lock()
	wasClosed := r.isClosed
	r.isClosed = true
	r.mu.Unlock()
	if !wasClosed {
		r.fetcher.drop(r)
	}
}

// acquire takes references on the blocks of read and starts what has to be
// fetched. The stream is the one that read continues, if any.
func (r *Reader) acquire(ctx context.Context, read span) ([]*block, *stream, error) {
	ahead, from, err := r.plan(read)
	if err != nil {
		return nil, nil, err
	}

	d := &demand{
		content:  r.content,
		reader:   r.number,
		first:    read.low / blockSize,
		last:     (read.high - 1) / blockSize,
		ahead:    ahead,
		parallel: r.fetcher.pace.Allowed(),
	}
	if err := r.fetcher.blocks.acquire(ctx, d); err != nil {
		return nil, nil, err
	}
	for _, run := range d.runs {
		r.fetcher.start(r.content, run, r.passing)
	}
	if from != nil {
		r.mu.Lock()
		from.placed(d.until)
		if d.missed {
			from.missed(read, r.version.Size)
		}
		r.mu.Unlock()
	}
	return d.held, from, nil
}

// plan asks the window what to fetch besides the blocks of read.
func (r *Reader) plan(read span) ([]span, *stream, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.isClosed {
		return nil, nil, fs.ErrClosed
	}
	ahead, from := r.window.request(read, r.fetcher.share(r, r.window.isWide()))
	return ahead, from, nil
}

// wait returns when all blocks are ready or one has failed. waited tells
// whether they were not ready yet.
func (r *Reader) wait(ctx context.Context, held []*block) (waited bool, err error) {
	for _, k := range held {
		select {
		case <-k.done:
		default:
			waited = true
			select {
			case <-k.done:
			case <-ctx.Done():
				return true, fmt.Errorf("read %s: %w", r.version.Path, context.Cause(ctx))
			}
		}
		if k.err != nil {
			return waited, k.err
		}
	}
	return waited, nil
}
