package test

import "testing"

func TestGroupOfASetgidDirectoryIsInherited(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		const script = `
			umask 022
			mkdir shared; chgrp 5678 shared; chmod 2775 shared
			cd shared
			touch file; mkdir directory; ln -s file link; mkfifo pipe; touch directory/file
			find . -printf '%P %y %m %G\n' | sort`
		want := localDir(t).run(t, patience, script)
		m := s.mount(t, root())
		sameLines(t, "the shared directory", m.sh(t, script), want)
	})
}
