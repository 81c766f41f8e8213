package cache

import (
	"context"
	"errors"
	"testing"
	"time"

	"ncloudfs/remote"
)

func TestBorrowedMemoryIsTakenFromWhatNobodyReads(t *testing.T) {
	b := NewBlocks(BlocksOptions{Limit: 8 << 20})
	v := Version{Path: remote.Path{Bucket: "b", Key: "k"}, ETag: "e", Size: 1 << 20}
	b.Store(v, make([]byte, v.Size))
	held := b.retainReady(v)
	if len(held) == 0 {
		t.Fatal("nothing was stored")
	}
	for key := range 6 {
		o := Version{Path: remote.Path{Bucket: "b", Key: string(rune('0' + key))}, ETag: "e", Size: 1 << 20}
		b.Store(o, make([]byte, o.Size))
	}
	ctx := context.Background()
	if err := b.borrow(ctx, b.lendable()); err != nil {
		t.Fatal(err)
	}
	if blocks := b.Bytes(); blocks > b.reserve() || blocks < v.Size {
		t.Errorf("%d bytes in blocks beside what is lent, want %d to %d: what is read, and no more than fits", blocks, v.Size, b.reserve())
	}

	soon, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if err := b.borrow(soon, 2<<20); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("borrow of more than there is: %v", err)
	}
	granted := make(chan error, 1)
	go func() { granted <- b.borrow(ctx, 2<<20) }()
	b.giveBack(2 << 20)
	if err := <-granted; err != nil {
		t.Error(err)
	}
	b.release(held)
	b.giveBack(b.lendable())
	b.Store(v, make([]byte, v.Size))
	if b.lent != 0 {
		t.Errorf("%d bytes still lent", b.lent)
	}
}
