package test

import (
	"testing"
	"time"

	"ncloudfs/remote/emulator"
)

// onBoth runs a script on a mount and in a local directory, and compares what it
// leaves there, with a mount made anew, too.
func onBoth(t *testing.T, limit time.Duration, script string, args ...string) {
	t.Helper()
	s, _ := startEmulator(t, emulator.Options{})
	local := localDir(t)
	local.run(t, limit, script, args...)
	want := local.describe(t)
	m := s.mount(t, root())
	m.shell().run(t, limit, script, args...)
	sameLines(t, "the mount", m.shell().describe(t), want)
	m.unmount(t)
	m = s.mount(t, root(), "--attrs=exact")
	sameLines(t, "another mount", m.shell().describe(t), want)
}

func TestMakeBuildsAProgram(t *testing.T) {
	t.Parallel()
	requirePrograms(t, "make", "gcc")
	onBoth(t, 2*time.Minute, `umask 022
mkdir src && cd src
for i in $(seq 20); do printf '#include "all.h"\nint f%d(void) { return %d; }\n' $i $i > f$i.c; printf 'int f%d(void);\n' $i; done > all.h
printf '#include <stdio.h>\n#include "all.h"\nint main(void) { printf("%%d\\n", f1() + f20()); return 0; }\n' > main.c
printf 'o = $(patsubst %%.c,%%.o,$(wildcard *.c))\nprogram: $(o)\n\tgcc -o $@ $(o)\nlibf.a: $(o)\n\tar rcD $@ $(o)\n%%.o: %%.c all.h\n\tgcc -c -o $@ $<\n' > Makefile
make -s -j4 program libf.a
test "$(./program)" = 21
sleep 1; touch f3.c
test "$(make -j4 program | grep -c 'gcc -c')" = 1
make -q program
find . -exec touch -d @1700000000 {} +`)
}

func TestUnzipUnpacks(t *testing.T) {
	t.Parallel()
	requirePrograms(t, "zip", "unzip")
	source := sourceTree(t, "net/http")
	local := localDir(t)
	source.run(t, time.Minute, `find . ! -type l ! -type p ! -type s | zip -q -X "$1" -@`, local.path("tree.zip"))
	onBoth(t, 2*time.Minute, `unzip -q "$1"`, local.path("tree.zip"))
}

// TestRsyncKeepsEverything, by temporary files and in place, with the algorithm
// that writes only what has changed.
func TestRsyncKeepsEverything(t *testing.T) {
	t.Parallel()
	requirePrograms(t, "rsync")
	source := localDir(t)
	source.run(t, time.Minute, `mkdir d; head -c 3M /dev/urandom > d/large; echo text > d/small; ln -s small d/link
setfattr -n user.test -v value d/small; chmod 640 d/small; chown 1234:5678 d/small; chmod 2750 d; find . -exec touch -h -d @1700000000 {} +`)
	for _, how := range []string{"-aHAX", "-aHAX --inplace"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			onBoth(t, 2*time.Minute, `rsync $2 --no-whole-file "$1/" .
cp d/large /dev/null
rsync $2 --no-whole-file "$1/" .
test -z "$(rsync $2 --itemize-changes "$1/" .)"
test "$(getfattr --only-values -n user.test d/small)" = value
printf changed | dd of=d/large bs=1 seek=1000000 conv=notrunc status=none
setfattr -n user.test -v another d/small
rsync $2 -c --no-whole-file "$1/" .
cmp d/large "$1/d/large"
test "$(getfattr --only-values -n user.test d/small)" = value
test -z "$(rsync $2 -c --itemize-changes "$1/" .)"
rm d/link; rsync $2 --delete "$1/" .`, source.dir, how)
		})
	}
}

// TestSeekBackWriter writes its header at the end, as many encoders do.
func TestSeekBackWriter(t *testing.T) {
	t.Parallel()
	onBoth(t, time.Minute, `exec 3<>movie
head -c 1000 /dev/zero >&3
for i in $(seq 300); do printf "%1000d" $i >&3; done
exec 3>&-
printf "header of %d bytes" $(stat -c %s movie) | dd of=movie conv=notrunc status=none
test "$(head -c 22 movie)" = "header of 301000 bytes"
touch -d @1700000000 movie`)
}

// TestTailFollows what is appended, and a rotated log.
func TestTailFollows(t *testing.T) {
	t.Parallel()
	requirePrograms(t, "logrotate")
	s, _ := startEmulator(t, emulator.Options{})
	m := s.mount(t, root())
	m.shell().run(t, time.Minute, `echo first > log
tail -n +1 -s 0.1 -F log > "$1" 2>/dev/null &
tail=$!
seen() { for i in $(seq 200); do ! grep -q "$1" "$2" || return 0; sleep 0.1; done; echo "no $1 in $(cat "$2")"; return 1; }
seen first "$1"
echo second >> log
seen second "$1"
printf '%s {\n copytruncate\n rotate 2\n size 1\n}\n' "$PWD/log" > "$2"
chmod 644 "$2"
logrotate -f -s "$2.state" "$2"
test "$(cat log.1)" = "first
second"
test ! -s log
echo third >> log
seen third "$1"
mv log log.2; echo fourth > log
seen fourth "$1"
kill $tail`, localDir(t).path("out"), localDir(t).path("conf"))
}
