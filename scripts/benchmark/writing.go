package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"ncloudfs/remote"
)

func writing() []*workload {
	return []*workload{
		{
			name:   "write-dd",
			title:  func(z sizes) string { return "write " + size(z.Large) + ", dd bs=1M, until close" },
			pages:  large,
			writes: true,
			run: func(p place) error {
				return p.sh(fmt.Sprintf(`dd if=/dev/zero of=large bs=1M count=%d status=none`, p.Sizes.Large>>20))
			},
			alone: func(ctx context.Context, c *remote.Client, z sizes) error { return send(ctx, c, "large", z.Large) },
			goal:  goal{seconds: andAlone(2.8, 1.4), memory: 200 << 20},
		}, {
			name:   "write-4k",
			title:  func(z sizes) string { return "write " + size(z.Medium) + " by 4 KiB, until close" },
			pages:  medium,
			writes: true,
			run: func(p place) error {
				return p.sh(fmt.Sprintf(`dd if=/dev/zero of=medium bs=4k count=%d status=none`, p.Sizes.Medium>>12))
			},
			goal: goal{seconds: most(1.3)},
		}, {
			name:   "create",
			title:  func(z sizes) string { return fmt.Sprintf("create %d files of 4 KiB", z.Files) },
			writes: true,
			run:    create,
			goal: goal{seconds: trips(1.15, 300), writeBack: syncs(300, 0.4), stored: 1,
				requests: func(z sizes) int { return z.Files + 2 }},
		}, {
			name:   "untar",
			title:  func(z sizes) string { return fmt.Sprintf("untar %d small files with modes and times", z.Files) },
			writes: true,
			warm: func(p place) error {
				return p.sh(fmt.Sprintf(`cd "$0" && mkdir tree && for i in $(seq %d); do head -c 4096 /dev/zero >tree/f$i; done &&
					chmod 640 tree/f* && touch -d 2020-01-02 tree/f* && tar cf tree.tar tree`, p.Sizes.Files))
			},
			hot:  true,
			run:  func(p place) error { return p.sh(`tar xf "$0/tree.tar"`) },
			goal: goal{seconds: most(7), writeBack: syncs(300, 0.4)},
		}, {
			name:    "edit",
			title:   func(z sizes) string { return "change 4 KiB in the middle of " + size(z.Medium) },
			objects: func(z sizes) []object { return []object{{"medium", z.Medium}} },
			stores:  func(z sizes) int64 { return z.Medium },
			pages:   medium,
			run: func(p place) error {
				return p.sh(fmt.Sprintf(`dd if=/dev/zero of=medium bs=4k count=1 seek=%d conv=notrunc status=none`, p.Sizes.Medium>>13))
			},
			goal: goal{seconds: most(1.5)},
		},
	}
}

func create(p place) error {
	content := make([]byte, small)
	for i := range p.Sizes.Files {
		if err := os.WriteFile(filepath.Join(p.Dir, fmt.Sprintf("f%d", i)), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// The client sends as many parts side by side, and as large, as a mount.
const (
	senders  = 16
	sendPart = 8 << 20
)

// send uploads an object in parts side by side.
func send(ctx context.Context, c *remote.Client, key string, size int64) error {
	content := bytes.NewReader(make([]byte, sendPart)) // as dd sends
	u, err := c.Begin(ctx, remote.Path{Bucket: bucket, Key: key}, remote.PutOptions{})
	if err != nil {
		return err
	}
	parts := make([]remote.Part, (size+sendPart-1)/sendPart)
	var g errgroup.Group
	g.SetLimit(senders)
	for i := range parts {
		g.Go(func() error {
			var err error
			parts[i], err = u.Part(ctx, i+1, content, min(sendPart, size-int64(i)*sendPart))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	_, err = u.Complete(ctx, parts)
	return err
}
