# The scheduled task's command: the bridge over this guest's terminal, until it ends.
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

$State = 'C:\novosky-state'
$settings = Get-Content -Raw "$State\bridge.json" | ConvertFrom-Json
$log = "$State\bridge.log"
if ((Test-Path $log) -and (Get-Item $log).Length -gt 10485760) { Move-Item -Force $log "$log.1" }

$arguments = @(
    '-m', 'mt5api', '--live',
    '--login', $settings.Login, '--server', $settings.Server,
    '--terminal', "C:\mt5\$($settings.Login)\terminal64.exe",
    '--server-timezone', $settings.ServerTimezone,
    '--host', '0.0.0.0', '--allow-remote', '--port', '6542',
    '--token-file', "$State\tokens.json", '--state-dir', $State,
    '--sidecar-dir', "$env:APPDATA\MetaQuotes\Terminal\Common\Files\novosky"
)
foreach ($symbol in $settings.Symbols) { $arguments += @('--symbol', $symbol) }

Set-Location 'C:\novosky'
$ErrorActionPreference = 'Continue'  # the bridge's warnings on stderr are no errors of this script
& '.venv\Scripts\python.exe' @arguments *>> $log
exit $LASTEXITCODE
