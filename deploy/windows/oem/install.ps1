# Sets up a Windows guest for one MetaTrader 5 account: clock, power, updates, Python with a
# hash-checked environment, terminal, tokens, scheduled tasks, firewall. Safe to run again.
#Requires -RunAsAdministrator
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'

$Oem = $PSScriptRoot
$Code = 'C:\novosky'
$State = 'C:\novosky-state'
$Python = 'C:\Python312\python.exe'
$Port = 6542

function Read-Settings {
    $settings = Import-PowerShellDataFile (Join-Path $Oem 'settings.psd1')
    foreach ($name in 'Login', 'Server', 'ServerTimezone', 'Symbols', 'PythonUrl', 'PythonSha256',
                      'TerminalUrl', 'TerminalSha256') {
        if (-not $settings.ContainsKey($name) -or -not $settings[$name]) {
            throw "settings.psd1: $name is missing or empty; see settings.psd1.example"
        }
    }
    $settings
}

function Get-Checked([string]$Url, [string]$Sha256, [string]$File) {
    Invoke-WebRequest -Uri $Url -OutFile $File -UseBasicParsing
    $found = (Get-FileHash -Algorithm SHA256 $File).Hash
    if ($found -ne $Sha256) {
        Remove-Item $File
        throw "$Url : SHA-256 $Sha256 is expected, $found came"
    }
}

function Set-Registry([string]$Path, [string]$Name, [int]$Value) {
    if (-not (Test-Path $Path)) { New-Item -Path $Path -Force | Out-Null }
    Set-ItemProperty -Path $Path -Name $Name -Value $Value -Type DWord
}

function Set-GuestClock {
    Set-TimeZone -Id 'UTC'
    # The virtual machine's hardware clock is UTC; without this Windows takes it for local time.
    Set-Registry 'HKLM:\SYSTEM\CurrentControlSet\Control\TimeZoneInformation' 'RealTimeIsUniversal' 1
    Set-Service -Name w32time -StartupType Automatic
    Start-Service -Name w32time
    w32tm /config /update /manualpeerlist:'pool.ntp.org' /syncfromflags:manual | Out-Null
}

function Set-GuestStaysAwake {
    powercfg /setactive 8c5e7fda-e8bf-4a96-9a85-a6e23a8c635c
    foreach ($what in 'monitor-timeout-ac', 'standby-timeout-ac', 'hibernate-timeout-ac') {
        powercfg /change $what 0
    }
    $update = 'HKLM:\SOFTWARE\Policies\Microsoft\Windows\WindowsUpdate\AU'
    Set-Registry $update 'AUOptions' 2                     # ask before downloading
    Set-Registry $update 'NoAutoRebootWithLoggedOnUsers' 1
}

function Install-Python($Settings) {
    if (-not (Test-Path $Python)) {
        $setup = Join-Path $env:TEMP 'python-setup.exe'
        Get-Checked $Settings.PythonUrl $Settings.PythonSha256 $setup
        Start-Process -Wait $setup -ArgumentList '/quiet', 'InstallAllUsers=1',
            'TargetDir=C:\Python312', 'PrependPath=0', 'Include_launcher=0', 'Include_test=0'
    }
    Expand-Archive -Force (Join-Path $Oem 'novosky.zip') $Code
    & $Python -m venv "$Code\.venv"
    & "$Code\.venv\Scripts\python.exe" -m pip install --disable-pip-version-check `
        --require-hashes '--only-binary=:all:' -r "$Code\deploy\requirements-bridge.txt"
    if ($LASTEXITCODE -ne 0) { throw 'pip: the locked packages could not be installed' }
}

function Install-Terminal($Settings) {
    # One folder per account: a terminal is single-instance per data folder.
    $folder = "C:\mt5\$($Settings.Login)"
    if (-not (Test-Path "$folder\terminal64.exe")) {
        $setup = Join-Path $env:TEMP 'mt5-setup.exe'
        Get-Checked $Settings.TerminalUrl $Settings.TerminalSha256 $setup
        Start-Process -Wait $setup -ArgumentList '/auto', "/path:$folder"
    }
    if (-not (Test-Path "$folder\terminal64.exe")) {
        throw "terminal: $folder\terminal64.exe is expected; install it there by hand, run this again"
    }
    $ini = Get-Content -Raw "$Code\deploy\windows\mt5start.ini.template"
    $ini = $ini.Replace('{{login}}', [string]$Settings.Login).Replace('{{server}}', $Settings.Server)
    Set-Content -Path "$folder\mt5start.ini" -Value $ini -Encoding Unicode
    New-Item -ItemType Directory -Force "$folder\MQL5\Experts" | Out-Null
    Copy-Item -Force "$Code\deploy\mql5\NovoskySidecar.mq5" "$folder\MQL5\Experts\"
}

function New-Token {
    $bytes = New-Object byte[] 32
    $random = [System.Security.Cryptography.RandomNumberGenerator]::Create()
    $random.GetBytes($bytes)
    $random.Dispose()
    [System.BitConverter]::ToString($bytes).Replace('-', '').ToLowerInvariant()
}

function Install-Tokens {
    $file = "$State\tokens.json"
    if (Test-Path $file) { return }
    $tokens = @{ read = New-Token; trade = New-Token; admin = New-Token } | ConvertTo-Json
    [System.IO.File]::WriteAllText($file, $tokens)
    icacls $file /inheritance:r /grant:r "${env:USERNAME}:(R,W)" 'SYSTEM:(F)' | Out-Null
}

function Install-Tasks($Settings) {
    $Settings | ConvertTo-Json | Set-Content -Path "$State\bridge.json" -Encoding UTF8
    $logon = New-ScheduledTaskTrigger -AtLogOn -User $env:USERNAME
    # The terminal needs the desktop, so both run in the session of the user who is logged on.
    $user = New-ScheduledTaskPrincipal -UserId $env:USERNAME -LogonType Interactive
    $always = New-ScheduledTaskSettingsSet -RestartCount 999 -RestartInterval (New-TimeSpan -Minutes 1) `
        -ExecutionTimeLimit ([TimeSpan]::Zero) -MultipleInstances IgnoreNew
    $terminal = New-ScheduledTaskAction -Execute "C:\mt5\$($Settings.Login)\terminal64.exe" `
        -Argument "/portable /config:C:\mt5\$($Settings.Login)\mt5start.ini"
    $bridge = New-ScheduledTaskAction -Execute 'powershell.exe' -WorkingDirectory $Code `
        -Argument "-NoProfile -ExecutionPolicy Bypass -WindowStyle Hidden -File $Code\deploy\windows\run-bridge.ps1"
    Register-ScheduledTask -Force -TaskName 'NOVOSKY terminal' -Action $terminal -Trigger $logon `
        -Principal $user -Settings $always | Out-Null
    Register-ScheduledTask -Force -TaskName 'NOVOSKY bridge' -Action $bridge -Trigger $logon `
        -Principal $user -Settings $always | Out-Null
}

function Set-GuestFirewall {
    Set-NetFirewallProfile -All -Enabled True -DefaultInboundAction Block
    Remove-NetFirewallRule -DisplayName 'NOVOSKY bridge' -ErrorAction SilentlyContinue
    # The container's gateway is the only neighbour in the guest's subnet.
    New-NetFirewallRule -DisplayName 'NOVOSKY bridge' -Direction Inbound -Action Allow `
        -Protocol TCP -LocalPort $Port -RemoteAddress LocalSubnet | Out-Null
}

$settings = Read-Settings
New-Item -ItemType Directory -Force $Code, $State | Out-Null
Set-GuestClock
Set-GuestStaysAwake
Install-Python $settings
Install-Terminal $settings
Install-Tokens
Install-Tasks $settings
Set-GuestFirewall
Write-Output "Done. Log in to the terminal by hand once, then restart the guest. Tokens: $State\tokens.json"
