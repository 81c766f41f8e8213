package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// gitEnvironment keeps git from settings and from background work.
const gitEnvironment = `export HOME="$0" GIT_CONFIG_NOSYSTEM=1; g() { git -c gc.auto=0 -c user.name=b -c user.email=b@localhost -c safe.directory='*' "$@"; }; `

func programs() []*workload {
	clone := func(p place) error { return p.sh(gitEnvironment + `g clone -q --no-local "$0/repo" clone`) }
	only := []string{writeBack, disk}
	return []*workload{
		{
			name:   "git-clone",
			title:  func(z sizes) string { return fmt.Sprintf("git clone of %d files", z.Repo) },
			warm:   repository,
			hot:    true,
			writes: true,
			only:   only,
			run:    clone,
			goal:   goal{writeBack: func(b base) float64 { return b.disk + 2000*b.Sync + 2 }},
		}, {
			name:  "git-status",
			title: func(z sizes) string { return fmt.Sprintf("git status of %d files, just cloned", z.Repo) },
			warm: func(p place) error {
				if err := repository(p); err != nil {
					return err
				}
				return clone(p)
			},
			hot:    true,
			writes: true,
			only:   only,
			run: func(p place) error {
				return p.sh(gitEnvironment + `cd clone && changed=$(g status --short) && test -z "$changed"`)
			},
			goal: goal{writeBack: most(0.3)},
		},
	}
}

// repository makes one in the scratch directory.
func repository(p place) error {
	for i := range p.Sizes.Repo {
		path := filepath.Join(p.Scratch, "repo", fmt.Sprintf("d%d", i%50), fmt.Sprintf("f%d", i))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, fmt.Appendf(nil, "file %d\n", i), 0o644); err != nil {
			return err
		}
	}
	return p.sh(gitEnvironment + `cd "$0/repo" && g init -q . && g add . && g commit -qm all`)
}
