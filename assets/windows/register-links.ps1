# Makes keyporter:// links open in Keyporter, for the user who runs this. A link
# shows what joining a team profile would do; nothing happens before you agree.
#
#   powershell -ExecutionPolicy Bypass -File register-links.ps1            register
#   powershell -ExecutionPolicy Bypass -File register-links.ps1 -Remove    undo
param([switch]$Remove)
$ErrorActionPreference = 'Stop'
$key = 'HKCU:\Software\Classes\keyporter'
if ($Remove) {
  if (Test-Path $key) { Remove-Item -Recurse $key }
  exit
}
$program = Join-Path $PSScriptRoot 'keyporter-tray.exe'
if (-not (Test-Path $program)) { throw "keyporter-tray.exe is not beside this script." }
New-Item -Force "$key\shell\open\command" | Out-Null
Set-ItemProperty $key '(default)' 'URL:Keyporter'
Set-ItemProperty $key 'URL Protocol' ''
Set-ItemProperty "$key\shell\open\command" '(default)' "`"$program`" --window `"%1`""
