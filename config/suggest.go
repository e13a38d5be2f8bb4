package config

// nearest returns the candidate that a misspelled name most likely meant, or
// "" where none is close.
func nearest(name string, candidates []string) string {
	best, closest := "", len(name)/4+1
	for _, c := range candidates {
		if d := editDistance(name, c); d <= closest && (best == "" || d < closest) {
			best, closest = c, d
		}
	}
	return best
}

// editDistance is the number of bytes to insert, delete or replace to turn a
// into b (Levenshtein).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
