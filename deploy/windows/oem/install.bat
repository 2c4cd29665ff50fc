@echo off
rem Run once by the unattended Windows installation. What it did: C:\OEM\install.log
powershell.exe -NoProfile -ExecutionPolicy Bypass -File "%~dp0install.ps1" > "%~dp0install.log" 2>&1
exit /b %ERRORLEVEL%
