package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"ncloudfs/remote"
)

func oneLarge(z sizes) []object { return []object{{"large", z.Large}} }

func reading() []*workload {
	return []*workload{
		{
			name:    "read-dd",
			title:   func(z sizes) string { return "read " + size(z.Large) + ", dd bs=1M" },
			objects: oneLarge,
			pages:   large,
			run:     readLarge,
			alone: func(ctx context.Context, c *remote.Client, z sizes) error {
				return fetch(ctx, c, "large", z.Large)
			},
			goal: goal{seconds: andAlone(1.5, 1.7), memory: 200 << 20},
		}, {
			name:    "read-cat",
			title:   func(z sizes) string { return "read " + size(z.Large) + ", cat" },
			objects: oneLarge,
			pages:   large,
			run: func(p place) error { // cat to /dev/null itself reads nothing
				return p.sh(`cat large | ` + drop("iflag=fullblock bs=128K", p.Sizes.Large>>17))
			},
			goal: goal{seconds: most(1.5), memory: 300 << 20},
		}, {
			name:  "read-four",
			title: func(z sizes) string { return "read four files of " + size(z.Medium) + " at once" },
			objects: func(z sizes) []object {
				return []object{{"1", z.Medium}, {"2", z.Medium}, {"3", z.Medium}, {"4", z.Medium}}
			},
			pages: func(z sizes) int64 { return 4 * z.Medium },
			run: func(p place) error {
				return p.sh(`for f in 1 2 3 4; do ` + drop("if=$f bs=1M", p.Sizes.Medium>>20) + ` & all="$all $!"; done
					for f in $all; do wait $f || exit; done`)
			},
			goal: goal{seconds: most(1.5), memory: 300 << 20},
		}, {
			name:    "first-byte",
			title:   func(z sizes) string { return "first byte of " + size(z.Large) + ", listed" },
			objects: oneLarge,
			warm:    func(p place) error { _, err := os.ReadDir(p.Dir); return err },
			hot:     true,
			run:     func(p place) error { return p.readAt("large", small, []int64{0}) },
			goal:    goal{seconds: func(b base) float64 { return b.Trip + 0.005 }},
		}, {
			name:    "read-random",
			title:   func(z sizes) string { return fmt.Sprintf("%d random reads of 4 KiB", z.Reads) },
			objects: oneLarge,
			run: func(p place) error {
				return p.readAt("large", small, places(p.Sizes.Reads, p.Sizes.Large, small))
			},
			goal: goal{seconds: trips(1.1, 200), fetched: func(z sizes) int64 { return int64(z.Reads) * (26 << 20) / 200 }},
		}, {
			name:    "read-pieces",
			title:   func(z sizes) string { return "64 random reads of 1 MiB by 4 readers" },
			objects: oneLarge,
			run: func(p place) error {
				var g errgroup.Group
				all := places(64, p.Sizes.Large, 1<<20)
				for i := range 4 {
					g.Go(func() error { return p.readAt("large", 1<<20, all[i*16:(i+1)*16]) })
				}
				return g.Wait()
			},
			goal: goal{seconds: most(0.7)},
		}, {
			name:    "read-small",
			title:   func(z sizes) string { return fmt.Sprintf("read %d small files in listing order", z.Reads) },
			objects: func(z sizes) []object { return numbered("d/", z.Reads, small) },
			run:     readAll,
			goal:    goal{seconds: most(1), requests: func(z sizes) int { return z.Reads + 10 }},
		},
	}
}

func readLarge(p place) error { return p.sh(drop("if=large bs=1M", p.Sizes.Large>>20)) }

// drop is a script that reads and fails unless it got exactly so many whole
// blocks.
func drop(how string, blocks int64) string {
	return fmt.Sprintf(`{ said=$(LC_ALL=C dd %s of=/dev/null status=noxfer 2>&1) && [[ $said == '%d+0 records in'* ]] ||
		{ echo "$said" >&2; false; }; }`, how, blocks)
}

// places returns n multiples of step within size, the same in every run.
func places(n int, size, step int64) []int64 {
	r := rand.New(rand.NewPCG(1, 2))
	all := make([]int64, n)
	for i := range all {
		all[i] = r.Int64N(size/step) * step
	}
	return all
}

// readAt opens the file, reads n bytes at each offset, and compares them.
func (p place) readAt(name string, n int, offsets []int64) error {
	f, err := os.Open(filepath.Join(p.Dir, name))
	if err != nil {
		return err
	}
	defer f.Close()
	b := make([]byte, n)
	for _, off := range offsets {
		if _, err := f.ReadAt(b, off); err != nil {
			return err
		}
		if err := p.check(object{name, p.Sizes.Large}, b, off); err != nil {
			return err
		}
	}
	return nil
}

func readAll(p place) error {
	entries, err := os.ReadDir(filepath.Join(p.Dir, "d"))
	if err != nil {
		return err
	}
	for _, e := range entries {
		key := "d/" + e.Name()
		b, err := os.ReadFile(filepath.Join(p.Dir, key))
		if err != nil {
			return err
		}
		if len(b) != small {
			return fmt.Errorf("%s has %d bytes", key, len(b))
		}
		if err := p.check(object{key, small}, b, 0); err != nil {
			return err
		}
	}
	if len(entries) != p.Sizes.Reads {
		return fmt.Errorf("%d files listed", len(entries))
	}
	return nil
}

// The client's window is as wide as a mount's.
const (
	fetchers  = 32
	fetchPart = 2 << 20
)

// fetch reads an object by ranged requests side by side, and drops it.
func fetch(ctx context.Context, c *remote.Client, key string, size int64) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(fetchers)
	buffers := make(chan []byte, fetchers)
	for range fetchers {
		buffers <- make([]byte, fetchPart)
	}
	for off := int64(0); off < size; off += fetchPart {
		g.Go(func() error {
			buffer := <-buffers
			defer func() { buffers <- buffer }()
			body, err := c.Get(ctx, remote.Path{Bucket: bucket, Key: key}, remote.GetOptions{Offset: off, Length: fetchPart})
			if err != nil {
				return err
			}
			defer body.Close()
			_, err = io.ReadFull(body, buffer[:min(fetchPart, size-off)])
			return err
		})
	}
	return g.Wait()
}
