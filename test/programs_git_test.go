package test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// git runs as a user without settings.
const git = `git() { command git -c user.name=Tester -c user.email=tester@example.com -c gc.auto=0 -c advice.detachedHead=false "$@"; }
`

func TestGitClonesAndChecks(t *testing.T) {
	requirePrograms(t, "git")
	forEachServer(t, func(t *testing.T, s *store) {
		origin := gitRepository(t, 200, 200)
		m := s.mount(t, root())
		m.shell().run(t, 3*time.Minute, git+`
			git clone --quiet "$1" clone
			cd clone
			git fsck --full --strict --no-progress`, origin.dir)
		clean(t, m, origin)
		m.shell().run(t, 2*time.Minute, git+`
			cd clone
			git mv d0/f10.txt moved.txt
			echo changed >> d1/f11.txt
			git commit --quiet --all --message=changed
			git checkout --quiet -b old HEAD~20
			git checkout --quiet -
			git gc --quiet --prune=now
			git fsck --full --strict --no-progress`)
		m.unmount(t)

		m = s.mount(t, root())
		m.shell().run(t, time.Minute, git+`
			cd clone
			test "$(git log --format=%s -1)" = changed
			git fsck --full --strict --no-progress`)
		back := localDir(t)
		back.run(t, time.Minute, git+`git clone --quiet --branch=main "file://$1/clone" back; test -f back/moved.txt`, m.path)
	})
}

// clean checks that the clone is that of origin and has no changes.
func clean(t testing.TB, m *mounted, origin shell) {
	t.Helper()
	if out := m.shell().run(t, time.Minute, git+`cd clone; git status --porcelain`); out != "" {
		t.Errorf("git status:\n%s", beginning(out))
	}
	const head = `git rev-parse HEAD; git ls-tree -r HEAD; git log --oneline`
	got := m.shell().run(t, time.Minute, git+"cd clone;"+head)
	sameLines(t, "the clone", got, origin.run(t, time.Minute, git+head))
}

// gitRepository makes a repository with so many files and commits.
func gitRepository(t testing.TB, files, commits int) shell {
	t.Helper()
	var stream strings.Builder
	content := random(4 << 10)
	for c := range commits {
		fmt.Fprintf(&stream, "commit refs/heads/main\nmark :%d\ncommitter Tester <tester@example.com> %d +0000\n", c+1, 1700000000+c)
		fmt.Fprintf(&stream, "data 4\nc%03d\n", c)
		if c > 0 {
			fmt.Fprintf(&stream, "from :%d\n", c)
		}
		for f := c; f < files; f += max(1, min(c, files/3)) { // all files, then ever fewer
			mode := []string{"644", "755"}[f%2]
			fmt.Fprintf(&stream, "M %s inline d%d/f%d.txt\ndata %d\n%s%d\n", mode, f%10, f, len(content)+4, content, 1000+c)
		}
	}
	sh := localDir(t)
	if err := os.WriteFile(sh.path("stream"), []byte(stream.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	sh.run(t, time.Minute, git+`
		git init --quiet --initial-branch=main
		git fast-import --quiet < stream
		rm stream
		git checkout --quiet --force main
		git update-index --refresh`)
	return sh
}
