//go:build !race

package test

// raceEnabled: the tests run with the race detector, and so does the program.
const raceEnabled = false
