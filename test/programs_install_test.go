package test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// isWhole reports whether programs are to do all of what takes minutes.
func isWhole() bool { return os.Getenv("NCLOUDFS_TEST_PROGRAMS") == "whole" }

// TestNpmInstalls a package that comes with npm, or with NCLOUDFS_TEST_PROGRAMS=whole
// npm itself, which is 2000 files.
func TestNpmInstalls(t *testing.T) {
	t.Parallel()
	requirePrograms(t, "npm")
	what := "npm/node_modules/semver"
	if isWhole() {
		what = "npm"
	}
	local := localDir(t)
	local.run(t, time.Minute, `export npm_config_cache=$PWD/cache
		npm pack --ignore-scripts "$(npm root -g)/$1"`, what)
	onBoth(t, 3*time.Minute, `export npm_config_cache=$PWD/cache
mkdir project; cd project
cp "$1"/*.tgz package.tgz
npm install --offline --no-audit --no-fund --no-update-notifier ./package.tgz
test -x node_modules/.bin/"${2##*/}"
npm ls --offline > /dev/null
cd ..; rm -r cache
find . -exec touch -h -d @1700000000 {} +`, local.dir, what)
}

// TestPackageManagerInstalls unpacks packages of many small files under temporary
// names, as pip, npm and dpkg do, gives them modes and times, and renames them to
// where they belong; then an upgrade replaces one and the other is removed.
func TestPackageManagerInstalls(t *testing.T) {
	t.Parallel()
	local := localDir(t)
	local.run(t, time.Minute, `tar -C "$1/src/net" -cf http.tar http; tar -C "$1/src" -cf strings.tar strings`, goroot(t))
	onBoth(t, 2*time.Minute, `umask 022
install_package() { # NAME
	mkdir -p .staging packages bin
	tar -C .staging --no-same-owner -xf "$archives/$1.tar"
	find ".staging/$1" -type f -exec chmod 644 {} +
	(cd ".staging/$1"; find . -type f ! -name 'RECORD*' -print0 | sort -z | xargs -0 sha256sum > RECORD.tmp; mv RECORD.tmp RECORD)
	if [ -e "packages/$1" ]; then mv "packages/$1" ".staging/$1.old"; fi
	mv ".staging/$1" "packages/$1"
	rm -rf ".staging/$1.old"
	rmdir .staging
	ln -sfn "../packages/$1/RECORD" "bin/$1"
	(cd "packages/$1"; sha256sum --quiet -c "../../bin/$1")
}
archives=$1
install_package http
install_package strings
echo changed > packages/http/server.go
install_package http
rm -r packages/strings bin/strings
find . -exec touch -h -d @1700000000 {} +`, local.dir)
}

// TestGoBuildsThisProgram with the source, the cache and what is built on the
// mount: one of its packages, with what that needs of the library, or all of it
// with NCLOUDFS_TEST_PROGRAMS=whole.
func TestGoBuildsThisProgram(t *testing.T) {
	t.Parallel()
	what, limit := "./config/daemon", 3*time.Minute
	if isWhole() {
		what, limit = ".", 20*time.Minute
	}
	modules, err := exec.Command("go", "env", "GOMODCACHE").Output()
	ok(t, err)
	source, err := os.Getwd()
	ok(t, err)
	onBoth(t, limit, `mkdir source cache; cp -r "$1"/../{go.mod,go.sum,main.go,cache,config,fs,remote} source/ 2>/dev/null || exit 1
export GOCACHE=$PWD/cache GOMODCACHE="$2" GOPATH=/nonexistent GOPROXY=off GOTOOLCHAIN=local GOFLAGS=-trimpath CGO_ENABLED=0
build() { (cd source; go build -buildvcs=false -v -o ../built "$1" 2>&1); }
build "$3" | grep "^ncloudfs" > /dev/null
test -z "$(build "$3")" # all of it is in the cache
echo '// changed' >> source/config/daemon/"$(basename "$(ls source/config/daemon/*.go | grep -v _test | head -1)")"
build "$3" | grep "^ncloudfs/config/daemon$" > /dev/null
test -s built
chmod -R u+w cache; rm -r cache
find . -exec touch -h -d @1700000000 {} +`, source, strings.TrimSpace(string(modules)), what)
}
