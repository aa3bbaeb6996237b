package wsio_test

var raceEnabled bool
