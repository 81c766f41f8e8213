// Package control lets other processes see and steer a running mount: HTTP on
// a unix socket, and the commands that use it.
//
// The socket lives as long as the daemon, also while it brings its last files
// into the bucket after an unmount. It has mode 0600, and who connects must be
// the daemon's user or root (SO_PEERCRED). Commands find it from the mount
// point by text alone (fs.FindDaemon), and give up after five seconds on a
// daemon that has stopped or hangs.
//
// # Requests
//
//	GET  /v1/status                   Status
//	GET  /v1/pending                  {"pending": [cache.Pending, ...]}
//	GET  /v1/pending/export?id=ID     the bytes; the trailer Ncloudfs-Error says why some are missing
//	POST /v1/pending/retry            {"ids": [...]}, without ids all but those that wait to be asked for
//	POST /v1/pending/discard          {"ids": [...]}
//	POST /v1/sync                     until all that was closed is in the bucket
//	POST /v1/drain                    {"time": "10m"}: follows the end of the mount (Server.Ending)
//
// A POST answers with lines of JSON (Line): what the bucket lacks, when that
// changes and once a second, at most every 200 ms; the last says {"done":true},
// or the error and what is left. A request that is given up ends a wait, never
// an upload. Any other failure is a status other than 200 and {"error": "..."}.
// The header Ncloudfs-Process is optional: the number of the process that a
// request is meant for.
//
// A cache directory without a mount is served in the same way, to the process
// that asks and nobody else (openIdle): commands know one way to do things.
package control
