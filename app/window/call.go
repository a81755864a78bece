package window

import (
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/widget"

	"keyporter/app/view"
)

// A callItem is the widgets of one call.
type callItem struct {
	widget.BaseWidget
	time, who, what, outcome, latency, bytes *widget.Label
	failed                                   bool
	content                                  fyne.CanvasObject
}

// callColumns are the widths and shares of a call's columns.
var callColumns = columns{-84, 33, 25, 15, -70, -74}

func newCallItem() *callItem {
	i := &callItem{time: short(""), who: short(""), what: short(""), outcome: short(""), latency: short(""), bytes: short("")}
	i.time.Importance = widget.LowImportance
	i.latency.Alignment, i.bytes.Alignment = fyne.TextAlignTrailing, fyne.TextAlignTrailing
	i.content = container.New(callLayout{i}, i.time, i.who, i.what, i.outcome, i.latency, i.bytes)
	i.ExtendBaseWidget(i)
	return i
}

func (i *callItem) CreateRenderer() fyne.WidgetRenderer { return widget.NewSimpleRenderer(i.content) }

// callLayout is that of callColumns, but for the outcome of a call that failed:
// its words need the room of the figures, and say them at their end.
type callLayout struct{ i *callItem }

func (l callLayout) MinSize(o []fyne.CanvasObject) fyne.Size { return callColumns.MinSize(o) }

func (l callLayout) Layout(o []fyne.CanvasObject, s fyne.Size) {
	callColumns.Layout(o, s)
	if l.i.failed {
		l.i.outcome.Resize(fyne.NewSize(s.Width-l.i.outcome.Position().X, s.Height))
	}
}

func (i *callItem) show(r view.CallRow) {
	i.outcome.Importance = widget.MediumImportance
	if r.Failed {
		i.outcome.Importance = widget.WarningImportance
		r.Outcome, r.Latency, r.Bytes = failure(r), "", ""
	}
	for l, s := range map[*widget.Label]string{i.time: r.Time, i.who: r.Who, i.what: r.What, i.outcome: r.Outcome, i.latency: r.Latency, i.bytes: r.Bytes} {
		l.SetText(s)
	}
	if i.failed != r.Failed {
		i.failed = r.Failed
		i.content.Refresh()
	}
}

// failure says why a call failed, and then its figures.
func failure(r view.CallRow) string {
	words := []string{string(view.Needs) + " " + r.Outcome}
	for _, figure := range []string{r.Latency, r.Bytes} {
		if figure != "" {
			words = append(words, figure)
		}
	}
	return strings.Join(words, " ‧ ")
}
