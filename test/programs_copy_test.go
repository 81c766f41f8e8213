package test

import (
	"testing"
	"time"
)

func TestTarUnpacksASourceTree(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		source := sourceTree(t, "net")
		want := source.describe(t)
		m := s.mount(t, root())
		m.shell().run(t, 3*time.Minute, `mkdir tree; tar -C "$1" --format=pax -c . | tar -C tree -xp`, source.dir)
		tree := shell{m.path + "/tree", m.dump}
		sameLines(t, "what tar made", tree.describe(t), want)
		m.unmount(t)

		m = s.mount(t, root(), "--attrs=exact")
		tree = shell{m.path + "/tree", m.dump}
		sameLines(t, "what another mount sees", tree.describe(t), want)
		tree.run(t, time.Minute, `tar -C "$1" --format=pax -c . | tar --diff`, source.dir)
	})
}

func TestRsyncFindsNothingToDoTheSecondTime(t *testing.T) {
	requirePrograms(t, "rsync")
	forEachServer(t, func(t *testing.T, s *store) {
		source := sourceTree(t, "net/http")
		want := source.describe(t)
		const sync = `rsync -a --itemize-changes "$1/" tree/`
		m := s.mount(t, root())
		m.shell().run(t, 3*time.Minute, sync, source.dir)
		if out := m.shell().run(t, time.Minute, sync, source.dir); out != "" {
			t.Errorf("the second time it transfers\n%s", beginning(out))
		}
		sameLines(t, "the copy", shell{m.path + "/tree", m.dump}.describe(t), want)
		m.unmount(t)

		m = s.mount(t, root(), "--attrs=exact")
		if out := m.shell().run(t, time.Minute, sync, source.dir); out != "" {
			t.Errorf("into another mount it transfers\n%s", beginning(out))
		}
		source.run(t, time.Minute, `echo more >> odd/nothing; rm odd/mode444; mv odd/mode755 odd/moved`)
		m.shell().run(t, time.Minute, `rsync -a --delete "$1/" tree/`, source.dir)
		sameLines(t, "the copy of changes", shell{m.path + "/tree", m.dump}.describe(t), source.describe(t))
	})
}
