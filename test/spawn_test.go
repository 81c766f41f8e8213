package test

import (
	"testing"
	"time"

	"ncloudfs/remote/emulator"
)

// TestProgramStartsWhileANewFileIsOpen: exec(2) closes the file in the child, and
// the kernel shows nothing of that process meanwhile, nor does it end.
func TestProgramStartsWhileANewFileIsOpen(t *testing.T) {
	t.Parallel()
	requireFUSE(t)
	requirePrograms(t, "perl")
	s, _ := startEmulator(t, emulator.Options{})
	m := s.mount(t, root())
	m.shell().run(t, 10*time.Second, `perl -e '
		open(my $new, ">", "file") or die $!; # closed by exec, as all that perl opens
		system("true") == 0 or die;
		print $new "text";
		close($new) or die $!'`)
	s.sync(t)
	equal(t, "the file", s.content(t, "file"), "text")
}
