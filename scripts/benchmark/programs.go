package main

import "fmt"

// gitEnvironment keeps git from settings and from background work.
const gitEnvironment = `export HOME="$0" GIT_CONFIG_NOSYSTEM=1; g() { git -c gc.auto=0 -c user.name=b -c user.email=b@localhost -c safe.directory='*' "$@"; }; `

func programs() []*workload {
	repository := func(p place) error {
		return p.sh(gitEnvironment + fmt.Sprintf(`cd "$0" && mkdir repo && cd repo && g init -q . &&
			for i in $(seq %d); do mkdir -p d$((i %% 50)) && echo "file $i" >d$((i %% 50))/f$i || exit; done && g add . && g commit -qm all`, p.Sizes.Repo))
	}
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
			run:    func(p place) error { return p.sh(gitEnvironment + `cd clone && g status --short`) },
			goal:   goal{writeBack: most(0.3)},
		},
	}
}
