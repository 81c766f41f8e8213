package main

import (
	"fmt"
	"time"
)

func changing() []*workload {
	objects := func(z sizes) []object { return numbered("d/", z.Tree, small) }
	return []*workload{
		{
			name:    "rename-dir",
			title:   func(z sizes) string { return fmt.Sprintf("rename a directory of %d", z.Tree) },
			objects: objects,
			run:     func(p place) error { return p.sh(`mv d e`) },
			goal:    goal{seconds: most(1)},
		}, {
			name:    "rename-dir-private",
			title:   func(z sizes) string { return fmt.Sprintf("rename a directory of %d, --acl=private", z.Tree) },
			objects: objects,
			run:     func(p place) error { return p.sh(`mv d e`) },
			options: []string{"--acl=private"},
			only:    []string{ncloudfs},
			goal:    goal{seconds: most(0.7)},
		}, {
			name:    "rm-rf",
			title:   func(z sizes) string { return fmt.Sprintf("rm -rf of %d", z.Tree) },
			objects: objects,
			writes:  true,
			run:     func(p place) error { return p.sh(`rm -rf d`) },
			goal:    goal{seconds: trips(1.05, 500), writeBack: most(0.3)},
		}, {
			name:  "idle",
			title: func(z sizes) string { return fmt.Sprintf("idle for %d s", z.Idle) },
			run: func(p place) error {
				time.Sleep(time.Duration(p.Sizes.Idle) * time.Second)
				return nil
			},
			only: []string{ncloudfs, s3fs, rclone},
			goal: goal{requests: none, memory: 40 << 20, cpu: 0.01},
		},
	}
}
