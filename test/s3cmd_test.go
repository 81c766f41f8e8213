package test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"ncloudfs/remote/emulator/emulatortest"
)

// s3cmd runs a script in which s3cmd is the program, told how to reach the
// bucket as alice, and $1 and so on are the arguments; it returns what the
// script printed.
func (s *store) s3cmd(t testing.TB, script string, args ...string) string {
	t.Helper()
	requirePrograms(t, "s3cmd")
	local := localDir(t)
	alice := emulatortest.Alice()
	host := strings.TrimPrefix(s.endpoint, "http://")
	settings := fmt.Sprintf("[default]\naccess_key = %s\nsecret_key = %s\nhost_base = %s\nhost_bucket = %s\nuse_https = False\n"+
		"bucket_location = kr-standard\nmax_retries = 1\n", alice.AccessKey, alice.SecretKey, host, host)
	ok(t, os.WriteFile(local.path("s3cfg"), []byte(settings), 0o600))
	return local.run(t, 3*time.Minute, `s3cmd() { command s3cmd --config=s3cfg --no-progress "$@"; }; `+script, args...)
}
