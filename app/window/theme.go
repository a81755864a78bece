package window

import (
	"embed"
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/theme"

	"keyporter/app/view"
	"keyporter/assets/fonts"
)

// A look is the window's theme: Fyne's own with fonts that have Japanese letters,
// so that nothing depends on the machine's, and quieter colours.
type look struct {
	fyne.Theme
	// only fixes light or dark; nil follows the system.
	only *fyne.ThemeVariant
}

// NewTheme returns the theme of all windows. It follows the system's choice of
// light and dark.
func NewTheme() fyne.Theme { return look{Theme: theme.DefaultTheme()} }

var (
	regular = fyne.NewStaticResource("Mplus1-Regular.otf", fonts.Regular)
	bold    = fyne.NewStaticResource("Mplus1-Bold.otf", fonts.Bold)
	mono    = fyne.NewStaticResource("Mplus1Code-Regular.otf", fonts.Mono)
)

func (l look) Font(s fyne.TextStyle) fyne.Resource {
	switch {
	case s.Symbol:
		return l.Theme.Font(s)
	case s.Monospace:
		return mono
	case s.Bold:
		return bold
	}
	return regular
}

func rgb(hex uint32) color.Color {
	return color.NRGBA{R: uint8(hex >> 16), G: uint8(hex >> 8), B: uint8(hex), A: 0xff}
}

// Colours of our own.
const (
	colorProblem fyne.ThemeColorName = "problem" // behind what went wrong
	colorDrop    fyne.ThemeColorName = "drop"    // where a file can be dropped, and behind a config
)

// colors are by name and variant: light, dark.
var colors = map[fyne.ThemeColorName][2]uint32{
	theme.ColorNameBackground:        {0xffffff, 0x1c1f24},
	theme.ColorNameOverlayBackground: {0xffffff, 0x23272e},
	theme.ColorNameMenuBackground:    {0xf3f5f8, 0x16181c},
	theme.ColorNameForeground:        {0x1d232b, 0xe8eaee},
	theme.ColorNamePlaceHolder:       {0x667080, 0x98a1b0},
	theme.ColorNameDisabled:          {0x6b7584, 0x8c95a4}, // also what is said beside: 4.5:1 or more (WCAG 2.2 1.4.3)
	theme.ColorNameSeparator:         {0xdfe3ea, 0x343a44},
	theme.ColorNameInputBackground:   {0xf3f5f8, 0x16181c},
	theme.ColorNameInputBorder:       {0xc5ccd7, 0x444c59},
	theme.ColorNameButton:            {0xe7ebf1, 0x323945},
	theme.ColorNamePrimary:           {0x2762c4, 0x3d7be0},
	theme.ColorNameHyperlink:         {0x2762c4, 0x7fabf5},
	theme.ColorNameSuccess:           {0x1f8a4c, 0x4cc27f},
	theme.ColorNameWarning:           {0xb86e00, 0xf0b042},
	theme.ColorNameError:             {0xc0322b, 0xf0776f},
	colorProblem:                     {0xfdf3df, 0x382f1e},
	colorDrop:                        {0xf3f5f8, 0x2a2f38},
}

func (l look) Color(n fyne.ThemeColorName, v fyne.ThemeVariant) color.Color {
	if l.only != nil {
		v = *l.only
	}
	if n == theme.ColorNameFocus { // blended with a button's own colour, whose text stays readable
		return color.NRGBA{R: 0x5b, G: 0x8f, B: 0xe8, A: 0x60}
	}
	if c, ok := colors[n]; ok {
		if v == theme.VariantLight {
			return rgb(c[0])
		}
		return rgb(c[1])
	}
	return l.Theme.Color(n, v)
}

func (l look) Size(n fyne.ThemeSizeName) float32 {
	if n == theme.SizeNameInnerPadding {
		return 7
	}
	return l.Theme.Size(n)
}

//go:embed icons/*.svg
var icons embed.FS

func icon(name string) fyne.Resource {
	b, err := icons.ReadFile("icons/" + name + ".svg")
	if err != nil {
		panic(err) // it is embedded
	}
	return fyne.NewStaticResource("keyporter-"+name+".svg", b)
}

// marks are the signs of a condition: a shape, and a colour beside it.
var marks = map[view.Mark]fyne.Resource{
	view.Good:    theme.NewSuccessThemedResource(icon("good")),
	view.Needs:   theme.NewWarningThemedResource(icon("needs")),
	view.Working: theme.NewPrimaryThemedResource(icon("working")),
	view.Resting: theme.NewColoredResource(icon("resting"), theme.ColorNamePlaceHolder),
}

var pageIcons = map[view.Page]fyne.Resource{
	view.PageServers:  theme.NewThemedResource(icon("servers")),
	view.PageAccounts: theme.NewThemedResource(icon("accounts")),
	view.PageActivity: theme.NewThemedResource(icon("activity")),
	view.PageClients:  theme.NewThemedResource(icon("clients")),
	view.PageTeam:     theme.NewThemedResource(icon("team")),
	view.PageDoctor:   theme.NewThemedResource(icon("doctor")),
	view.PageSettings: theme.NewThemedResource(icon("settings")),
}

//go:embed lang/*.json
var base embed.FS

// setLanguage puts Fyne's own texts (menus of entries, the file picker) into l.
// Fyne chooses once, by the system's language, so the texts of l are given to it
// as those of that language.
func setLanguage(l view.Language) {
	b, err := base.ReadFile("lang/base." + string(l) + ".json")
	if err == nil {
		err = lang.AddTranslationsForLocale(b, lang.SystemLocale())
	}
	if err != nil {
		fyne.LogError("Fyne's own texts stay as they are", err)
	}
}
